import type { Batch } from "@/api/work";
import { cx } from "@/ui/classes";
import { Badge } from "@/ui/layout";
import { Progress } from "@/ui/progress";
import { progressOf, STATUSES } from "./words";

export function BatchBadge({ batch }: { batch: Pick<Batch, "status"> }) {
  const { label, tone } = STATUSES[batch.status];
  return (
    <Badge tone={tone} dot>
      {label}
    </Badge>
  );
}

export function BatchProgress({ batch, className }: { batch: Batch; className?: string }) {
  const { total, completed, failed } = batch.request_counts;
  const said = progressOf(batch);
  return (
    <div className={cx("min-w-0", className)}>
      <Progress label="Progress" said={said} done={total > 0 ? completed / total : 0} failed={total > 0 ? failed / total : 0} />
      <span aria-hidden="true" className="mt-1 block truncate text-[0.9rem] text-quiet tabular-nums">
        {said}
      </span>
    </div>
  );
}
