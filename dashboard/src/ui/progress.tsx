/** How far something has come: what is done, what went wrong, what is left. */
import { cx } from "./classes";

interface Props {
  label: string;
  /** In words, which is what a screen reader says. */
  said: string;
  /** Parts of the whole, between 0 and 1. */
  done: number;
  failed?: number;
  className?: string;
}

export function Progress({ label, said, done, failed = 0, className }: Props) {
  const part = (share: number) => `${Math.min(1, Math.max(0, share)) * 100}%`;
  return (
    <div
      role="progressbar"
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={Math.round(Math.min(1, done + failed) * 100)}
      aria-valuetext={said}
      className={cx("flex h-1.5 overflow-hidden rounded-full bg-hover", className)}
    >
      <span className="bg-good transition-[width]" style={{ width: part(done) }} />
      <span className="bg-bad transition-[width]" style={{ width: part(failed) }} />
    </div>
  );
}
