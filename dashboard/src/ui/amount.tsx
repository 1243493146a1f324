import { parts } from "@/text/money";
import { cx } from "./classes";

/** An amount with every digit; those after the second decimal stand back. */
export function Amount({ of, plus, className }: { of: string; /** Says that it is added. */ plus?: boolean; className?: string }) {
  const [read, rest] = parts(of);
  return (
    <span className={cx("tabular-nums", className)}>
      {plus && "+"}
      {read}
      {rest && <span className="text-[0.86em]">{rest}</span>}
    </span>
  );
}
