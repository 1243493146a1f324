import { createColumnHelper, type ColumnDef } from "@tanstack/react-table";
import { Link } from "@tanstack/react-router";
import type { Batch } from "@/api/work";
import { day, exact } from "@/text/format";
import { sign } from "@/text/money";
import { Amount } from "@/ui/amount";
import { cx } from "@/ui/classes";
import { BatchBadge, BatchProgress } from "./status";
import { dueOf, titleOf } from "./words";

const column = createColumnHelper<Batch>();

const HEAD = [
  column.accessor("id", {
    header: "Batch",
    meta: { className: "max-w-0 w-[36%] max-sm:w-full" },
    cell: ({ row: { original: batch } }) => (
      <div className="min-w-0">
        <Link to="/batches/$batchId" params={{ batchId: batch.id }} className="block truncate rounded font-medium hover:text-accent">
          {titleOf(batch)}
        </Link>
        <span className="block truncate text-[0.9rem] text-quiet">
          <span className={cx("lg:hidden", batch.expired_at !== null && "text-warn")}>{dueOf(batch)} · </span>
          {batch.endpoint} · {batch.completion_window}
        </span>
        <BatchProgress batch={batch} className="mt-1.5 md:hidden" />
      </div>
    ),
  }),
  column.accessor("status", { header: "Status", meta: { className: "max-md:align-top" }, cell: ({ row }) => <BatchBadge batch={row.original} /> }),
  column.display({ id: "progress", header: "Progress", meta: { from: "md", className: "w-[22%]" }, cell: ({ row }) => <BatchProgress batch={row.original} /> }),
];

const END = [
  column.display({
    id: "due",
    header: "Due",
    meta: { from: "lg", numeric: true },
    cell: ({ row: { original: batch } }) => (
      <span title={`Deadline: ${exact(batch.expires_at * 1000)}`} className={cx("whitespace-nowrap", batch.expired_at === null ? "text-quiet" : "text-warn")}>
        {dueOf(batch)}
      </span>
    ),
  }),
  column.display({
    id: "cost",
    header: "Cost",
    meta: { from: "sm", numeric: true },
    cell: ({ row: { original: batch } }) => <BatchCost of={batch.analytics?.total_cost} used={batch.usage.total_tokens} />,
  }),
];

const CREATED = column.accessor("created_at", {
  header: "Created",
  meta: { from: "xl", numeric: true },
  cell: ({ getValue }) => <span className="whitespace-nowrap text-quiet" title={exact(getValue() * 1000)}>{day(getValue() * 1000)}</span>,
});

const OWNER = column.accessor((batch) => batch.metadata["created_by_email"] ?? "–", {
  id: "owner",
  header: "Created by",
  meta: { from: "xl", className: "max-w-0 w-[20%]" },
  cell: ({ getValue }) => <span className="block truncate text-quiet">{getValue()}</span>,
});

const OF_ONE = [...HEAD, ...END, CREATED] as ColumnDef<Batch>[];
const OF_ALL = [...HEAD, OWNER, ...END] as ColumnDef<Batch>[];

export function columnsFor(everyones: boolean): ColumnDef<Batch>[] {
  return everyones ? OF_ALL : OF_ONE;
}

/** What it has come to so far; before anything is used, nobody knows whether it is free. */
export function BatchCost({ of, used }: { of: string | undefined; used: number }) {
  if (of === undefined || (sign(of) === 0 && used === 0)) return <>–</>;
  return sign(of) === 0 ? <span className="text-quiet">Free</span> : <Amount of={of} />;
}
