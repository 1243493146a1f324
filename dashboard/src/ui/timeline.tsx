/** What happened, one below the other. */
import { clock, exact, fineClock } from "@/text/format";
import { cx } from "./classes";
import type { Tone } from "./layout";

export interface Happening {
  label: string;
  /** A moment that `Date` reads; not a number where it is not known. */
  at: string | number;
  /** Where it stands in its order. */
  mark?: string;
  tone?: Tone;
  /** What is to be said of it. */
  note?: string | undefined;
  /** It has not happened yet. */
  ahead?: boolean;
}

const DOTS: Record<Tone, string> = { plain: "bg-faint", good: "bg-good", warn: "bg-warn", bad: "bg-bad", accent: "bg-accent" };

/** `fine` shows moments to the millisecond. */
export function Timeline({ label, happenings, fine }: { label: string; happenings: readonly Happening[]; fine?: boolean }) {
  return (
    <ol aria-label={label} className={cx("relative", fine ? "space-y-2.5" : "space-y-4", " before:absolute before:inset-y-2 before:left-[0.28rem] before:w-px before:bg-line")}>
      {happenings.map(({ label: name, at, tone = "plain", note, ahead, mark }, index) => (
        <li key={index} className="relative pl-6">
          <span className={cx("absolute top-[0.4rem] left-0 size-2.5 rounded-full ring-3 ring-surface", ahead ? "border border-faint bg-surface" : DOTS[tone])} />
          <div className="flex flex-wrap items-baseline justify-between gap-x-4">
            <span className={cx("font-medium [overflow-wrap:anywhere]", ahead && "text-quiet")}>
              {mark !== undefined && <span className="mr-2 font-mono text-[0.85rem] font-normal text-quiet tabular-nums">{mark}</span>}
              {name}
            </span>
            {!Number.isNaN(at) && (
              <time dateTime={new Date(at).toISOString()} title={exact(at)} className="text-[0.93rem] text-quiet tabular-nums">
                {fine ? fineClock(at) : sameDay(at) ? clock(at) : exact(at)}
              </time>
            )}
          </div>
          {note && <p className="text-[0.93rem] text-quiet [overflow-wrap:anywhere]">{note}</p>}
        </li>
      ))}
    </ol>
  );
}

function sameDay(at: string | number): boolean {
  return new Date(at).toDateString() === new Date().toDateString();
}
