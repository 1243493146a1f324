import type { ReactNode } from "react";
import { cx } from "@/ui/classes";
import { Icon } from "@/ui/icon";

interface Props {
  number: number;
  title: string;
  /** What it is for while it is to be done, or what was done. */
  summary: ReactNode;
  state: "done" | "now" | "later";
  open: boolean;
  onToggle: () => void;
  last?: boolean;
  children: ReactNode;
}

/** One step of the checklist: a number that becomes a tick, and its work while it is open. */
export function Step({ number, title, summary, state, open, onToggle, last, children }: Props) {
  return (
    <li className="relative flex gap-4">
      {!last && <span className="absolute top-10 bottom-0 left-[0.95rem] w-px bg-line" aria-hidden="true" />}
      <span
        aria-hidden="true"
        className={cx(
          "z-10 mt-3.5 flex size-8 shrink-0 items-center justify-center rounded-full border text-[0.93rem] font-semibold tabular-nums",
          state === "done" && "border-transparent bg-good-soft text-good",
          state === "now" && "border-transparent bg-solid text-on-solid",
          state === "later" && "border-line bg-surface text-faint",
        )}
      >
        {state === "done" ? <Icon name="check" className="size-4" /> : number}
      </span>
      <section className={cx("mb-3 min-w-0 flex-1 rounded-xl border", open ? "border-line bg-surface shadow-card" : "border-transparent")}>
        <h2>
          <button type="button" aria-expanded={open} onClick={onToggle} className="flex w-full items-center gap-3 rounded-xl px-4 py-3 text-left hover:bg-hover/50">
            <span className="min-w-0 flex-1">
              <span className={cx("block text-[1.07rem] leading-6 font-semibold", state === "later" && !open && "text-quiet")}>{title}</span>
              <span className="block font-normal text-quiet">{summary}</span>
            </span>
            <span className="sr-only">{state === "done" ? "Done" : ""}</span>
            <Icon name="chevron" className={cx("size-4 text-faint transition-transform", open && "rotate-90")} />
          </button>
        </h2>
        {open && <div className="px-4 pt-1 pb-5">{children}</div>}
      </section>
    </li>
  );
}
