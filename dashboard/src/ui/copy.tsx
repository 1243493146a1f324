import { useEffect, useState, type ReactNode } from "react";
import { Button } from "./button";
import { cx } from "./classes";
import { Icon } from "./icon";

async function toClipboard(text: string): Promise<boolean> {
  // Pages that are served without TLS have no clipboard object, except on localhost.
  if (!("clipboard" in navigator)) return false;
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}

function useCopied() {
  const [state, setState] = useState<"idle" | "copied" | "failed">("idle");
  useEffect(() => {
    if (state === "idle") return;
    const timer = setTimeout(() => setState("idle"), 1800);
    return () => clearTimeout(timer);
  }, [state]);
  const copy = async (text: string) => setState((await toClipboard(text)) ? "copied" : "failed");
  return { state, copy };
}

export function CopyButton({ text, label = "Copy", look = "plain" }: { text: string; label?: string; look?: "plain" | "solid" | "ghost" }) {
  const { state, copy } = useCopied();
  const said = { idle: label, copied: "Copied", failed: "Select and copy" }[state];
  return (
    <Button size="sm" look={look} icon={state === "copied" ? "check" : "copy"} onClick={() => void copy(text)}>
      <span aria-live="polite">{said}</span>
    </Button>
  );
}

/** A short text, such as an alias, that is copied by a click. */
export function CopyText({ text, label, className }: { text: string; label: string; className?: string }) {
  const { state, copy } = useCopied();
  return (
    <button
      type="button"
      title={label}
      aria-label={`${label}: ${text}`}
      onClick={() => void copy(text)}
      className={cx("group inline-flex max-w-full items-center gap-1.5 rounded text-left font-mono text-[0.92rem] hover:text-accent", className)}
    >
      <span className="min-w-0 [overflow-wrap:anywhere]">{text}</span>
      <Icon name={state === "copied" ? "check" : "copy"} className={cx("size-3.5", state === "copied" ? "text-good" : "text-faint group-hover:text-accent")} />
    </button>
  );
}

/** Code under a bar that says what it is and copies it. */
export function Code({ text, label, head, wrap }: { text: string; label: string; head?: ReactNode; wrap?: boolean }) {
  return (
    <div className="overflow-hidden rounded-lg border border-line">
      <div className="flex items-center justify-between gap-2 border-b border-line py-1 pr-1 pl-3.5">
        {head ?? <span className="font-medium">{label}</span>}
        <CopyButton text={text} look="ghost" />
      </div>
      <pre
        tabIndex={0}
        aria-label={label}
        className={cx("overflow-x-auto bg-sunken p-3.5 font-mono text-[0.88rem] leading-6 focus-visible:-outline-offset-2", wrap && "whitespace-pre-wrap [overflow-wrap:anywhere]")}
      >
        {text}
      </pre>
    </div>
  );
}
