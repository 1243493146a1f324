/** The requests of a batch, each with what has become of it; first of all those that have failed. */
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { createColumnHelper, type ColumnDef } from "@tanstack/react-table";
import { getRouteApi, Link } from "@tanstack/react-router";
import { useMemo, useState } from "react";
import { linesQuery, PAGE, type Batch, type Line, type LineStatus } from "@/api/work";
import { Button } from "@/ui/button";
import { Code, CopyText } from "@/ui/copy";
import { Dialog } from "@/ui/dialog";
import { Filter, SearchBox } from "@/ui/field";
import { Badge, Card, Facts } from "@/ui/layout";
import { Bones, Empty, Failed, Note } from "@/ui/state";
import { DataTable } from "@/ui/table";
import { LINE_STATUSES } from "./words";

const route = getRouteApi("/shell/batches/$batchId");
const OPTIONS = [{ value: "all", label: "Every status" }, ...Object.entries(LINE_STATUSES).map(([value, { label }]) => ({ value, label }))];
/** Longer texts make the page slow; the files give them whole. */
const MOST_SHOWN = 100_000;

export function LinesCard({ batch }: { batch: Batch }) {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const [open, setOpen] = useState<Line | null>(null);
  const columns = useMemo(() => columnsFor(setOpen), []);
  const status = search.status ?? (batch.request_counts.failed > 0 ? "failed" : "all");
  const skip = search.skip ?? 0;
  const lines = useQuery({ ...linesQuery(batch, { status: status === "all" ? undefined : status, search: search.q, skip }), placeholderData: keepPreviousData });
  const narrow = (change: Partial<typeof search>) => void navigate({ search: (now) => ({ ...now, skip: undefined, ...change }), replace: true, resetScroll: false });
  const turn = (to: number) => void navigate({ search: (now) => ({ ...now, skip: to > 0 ? to : undefined }), resetScroll: false });
  const rows = lines.data?.slice(0, PAGE);
  return (
    <Card title="Requests" className="overflow-hidden">
      <div className="grid grid-cols-2 gap-2 border-b border-line px-5 py-3 sm:flex">
        <Filter label="Status of the requests" className="sm:w-44" options={OPTIONS} value={status} onChange={(event) => narrow({ status: event.target.value as LineStatus | "all" })} />
        <SearchBox label="Search custom ids" className="sm:w-60" value={search.q ?? ""} onSearch={(q) => narrow({ q: q || undefined })} />
      </div>
      {rows && lines.data ? (
        rows.length > 0 || skip > 0 ? (
          <>
            <DataTable label="Requests" rows={rows} columns={columns} keyOf={(line) => line.id ?? `${line.custom_id}`} ordered onOpen={setOpen} />
            {(skip > 0 || lines.data.length > PAGE) && (
              <nav aria-label="Pages" className="flex justify-end gap-2 border-t border-line px-5 py-3">
                <Button size="sm" disabled={skip === 0} onClick={() => turn(Math.max(0, skip - PAGE))}>
                  Previous
                </Button>
                <Button size="sm" disabled={lines.data.length <= PAGE} onClick={() => turn(skip + PAGE)}>
                  Next
                </Button>
              </nav>
            )}
          </>
        ) : (
          <Empty icon="search" title="No requests here" action={status !== "all" || search.q ? <Button onClick={() => narrow({ status: "all", q: undefined })}>Show all of them</Button> : undefined}>
            No request of this batch fits.
          </Empty>
        )
      ) : lines.isError ? (
        <Failed error={lines.error} retry={() => void lines.refetch()} />
      ) : (
        <Bones rows={4} />
      )}
      {open && <LineDialog line={open} onClose={() => setOpen(null)} />}
    </Card>
  );
}

const column = createColumnHelper<Line>();

function columnsFor(onOpen: (line: Line) => void): ColumnDef<Line>[] {
  return [
    column.accessor("custom_id", {
      header: "Custom id",
      meta: { className: "max-w-0 w-[34%] max-sm:w-full" },
      cell: ({ row: { original: line } }) => (
        <div className="min-w-0">
          <button type="button" onClick={() => onOpen(line)} className="block max-w-full truncate rounded text-left font-medium hover:text-accent">
            {line.custom_id ?? "–"}
          </button>
          {line.error && <span className="block truncate text-[0.9rem] text-bad md:hidden">{line.error}</span>}
        </div>
      ),
    }),
    column.accessor("status", { header: "Status", cell: ({ getValue }) => <LineBadge status={getValue()} /> }),
    column.accessor("model", { header: "Model", meta: { from: "sm", className: "max-w-0 w-[20%]" }, cell: ({ getValue }) => <span className="block truncate">{getValue()}</span> }),
    column.accessor("error", {
      header: "Error",
      meta: { from: "md", className: "max-w-0 w-[40%]" },
      cell: ({ getValue }) => <span className="block truncate text-bad" title={getValue() ?? undefined}>{getValue()}</span>,
    }),
  ] as ColumnDef<Line>[];
}

function LineBadge({ status }: { status: LineStatus }) {
  const { label, tone } = LINE_STATUSES[status];
  return (
    <Badge tone={tone} dot>
      {label}
    </Badge>
  );
}

function LineDialog({ line, onClose }: { line: Line; onClose: () => void }) {
  return (
    <Dialog open wide onClose={onClose} title={line.custom_id ?? "Request"} description={line.model}>
      <div className="space-y-4">
        <LineBadge status={line.status} />
        {line.error && <Note tone="bad">{line.error}</Note>}
        {line.id !== null && (
          <Facts
            facts={[
              ["ID", <CopyText key="id" text={`resp_${line.id}`} label="Copy the ID" />],
              [
                "In the log",
                <Link key="log" to="/requests" search={{ range: "all", open: `resp_${line.id}`, tab: "timeline" }} className="rounded text-accent hover:underline">
                  Timeline and tokens
                </Link>,
              ],
            ]}
          />
        )}
        {line.input_body !== null && <Code label="Request" text={written(line.input_body)} wrap />}
        {line.response_body !== null && <Code label="Response" text={written(line.response_body)} wrap />}
      </div>
    </Dialog>
  );
}

function written(body: unknown): string {
  return JSON.stringify(body, null, 2).slice(0, MOST_SHOWN);
}
