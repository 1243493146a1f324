/** What a page shows when it has nothing to show: not yet, nothing there, went wrong, not allowed. */
import type { ReactNode } from "react";
import { Button } from "./button";
import { cx } from "./classes";
import { Icon, type IconName } from "./icon";

export function Empty({ icon, title, children, action }: { icon: IconName; title: string; children?: ReactNode; action?: ReactNode }) {
  return (
    <div className="flex flex-col items-center px-6 py-14 text-center">
      <div className="mb-4 flex size-12 items-center justify-center rounded-xl border border-line bg-sunken text-quiet">
        <Icon name={icon} className="size-6" />
      </div>
      <h2 className="text-[1.1rem] font-semibold">{title}</h2>
      {children && <div className="mt-1 max-w-md text-quiet">{children}</div>}
      {action && <div className="mt-5 flex flex-wrap justify-center gap-2">{action}</div>}
    </div>
  );
}

export function NoPermission() {
  return (
    <Empty icon="lock" title="This page is not open to you">
      Your roles do not include it. An administrator can give you one that does, under Users.
    </Empty>
  );
}

export function Failed({ error, retry }: { error: unknown; retry?: () => void }) {
  return (
    <Empty icon="warning" title="This could not be loaded" action={retry && <Button icon="sync" onClick={retry}>Try again</Button>}>
      <span className="[overflow-wrap:anywhere]">{messageOf(error)}</span>
    </Empty>
  );
}

/** An error beside what caused it. */
export function ErrorNote({ error, className }: { error: unknown; className?: string }) {
  return (
    <Note tone="bad" className={className}>
      {messageOf(error)}
    </Note>
  );
}

const TONES = {
  bad: ["bg-bad-soft text-bad", "warning"],
  warn: ["bg-warn-soft text-warn", "warning"],
  info: ["bg-accent-soft text-accent", "info"],
  good: ["bg-good-soft text-good", "check"],
} as const;

export function Note({ tone, children, className }: { tone: keyof typeof TONES; children: ReactNode; className?: string }) {
  const [look, icon] = TONES[tone];
  return (
    <div role={tone === "bad" ? "alert" : undefined} className={cx("flex gap-2.5 rounded-lg px-3 py-2.5", look, className)}>
      <Icon name={icon} className="mt-0.5" />
      <div className="min-w-0 [overflow-wrap:anywhere]">{children}</div>
    </div>
  );
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Grey bars where text will be. */
export function Bones({ rows = 6 }: { rows?: number }) {
  const widths = ["w-2/5", "w-3/5", "w-1/2", "w-2/3", "w-1/3", "w-3/5"];
  return (
    <div role="status" aria-label="Loading" className="space-y-5 p-5">
      {Array.from({ length: rows }, (_, at) => (
        <div key={at} className={cx("h-3.5 animate-shimmer rounded-full bg-hover", widths[at % widths.length])} />
      ))}
    </div>
  );
}
