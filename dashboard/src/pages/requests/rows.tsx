/** The rows, of which only those near the screen exist. */
import { createColumnHelper, flexRender, getCoreRowModel, useReactTable, type ColumnDef } from "@tanstack/react-table";
import { useWindowVirtualizer } from "@tanstack/react-virtual";
import { useEffect, useLayoutEffect, useRef, useState } from "react";
import { clock, day, duration } from "@/text/format";
import { Button } from "@/ui/button";
import { cx } from "@/ui/classes";
import { CELL, FROM, HEAD, isInteractive } from "@/ui/table";
import { Cost, Tokens } from "./cost";
import type { Entry } from "./feed";
import type { Feed } from "./merge";
import { StatusBadge } from "./status";

interface Props {
  label: string;
  feed: Feed;
  columns: ColumnDef<Entry>[];
  onOpen: (id: string) => void;
  older: () => void;
  loadingOlder: boolean;
}

const ROW = 53;
const column = createColumnHelper<Entry>();

export function Rows({ label, feed, columns, onOpen, older, loadingOlder }: Props) {
  const table = useReactTable({ data: feed.rows, columns, getRowId: (row) => row.id, autoResetAll: false, getCoreRowModel: getCoreRowModel() });
  const rows = table.getRowModel().rows;

  const body = useRef<HTMLTableElement>(null);
  const [above, setAbove] = useState(0);
  useLayoutEffect(() => setAbove((body.current?.getBoundingClientRect().top ?? 0) + scrollY), []);
  const virtual = useWindowVirtualizer({
    count: rows.length,
    estimateSize: () => ROW,
    overscan: 12,
    scrollMargin: above,
    getItemKey: (at) => rows[at]?.id ?? at,
  });
  const shown = virtual.getVirtualItems();
  const first = shown[0];
  const last = shown.at(-1);
  const before = first ? first.start - above : 0;
  const after = last ? virtual.getTotalSize() - (last.end - above) : 0;

  const nearEnd = last !== undefined && last.index >= rows.length - 10;
  useEffect(() => {
    if (nearEnd && feed.next !== null && !loadingOlder) older();
  }, [nearEnd, feed.next, loadingOlder, older]);

  return (
    <>
      <table ref={body} aria-label={label} aria-rowcount={rows.length} className="w-full border-separate border-spacing-0">
        <thead>
          {table.getHeaderGroups().map((group) => (
            <tr key={group.id}>
              {group.headers.map((header) => {
                const meta = header.column.columnDef.meta;
                return (
                  <th key={header.id} scope="col" className={cx(HEAD, meta?.numeric && "text-right", meta?.from && FROM[meta.from])}>
                    {flexRender(header.column.columnDef.header, header.getContext())}
                  </th>
                );
              })}
            </tr>
          ))}
        </thead>
        <tbody>
          <Space height={before} />
          {shown.map((item) => {
            const row = rows[item.index];
            if (!row) return null;
            return (
              <tr
                key={row.id}
                ref={virtual.measureElement}
                data-index={item.index}
                aria-rowindex={item.index + 1}
                onClick={(event) => {
                  if (!isInteractive(event.target)) onOpen(row.id);
                }}
                className={cx("group cursor-pointer hover:bg-sunken", feed.arrived.has(row.id) && "animate-arrive")}
              >
                {row.getVisibleCells().map((cell) => {
                  const meta = cell.column.columnDef.meta;
                  return (
                    <td key={cell.id} className={cx(CELL, meta?.numeric && "text-right whitespace-nowrap tabular-nums", meta?.from && FROM[meta.from], meta?.className)}>
                      {flexRender(cell.column.columnDef.cell, cell.getContext())}
                    </td>
                  );
                })}
              </tr>
            );
          })}
          <Space height={after} />
        </tbody>
      </table>
      {feed.next !== null && (
        <div className="flex justify-center border-t border-line p-3">
          <Button size="sm" busy={loadingOlder} onClick={older}>
            Load older {label.toLowerCase()}
          </Button>
        </div>
      )}
    </>
  );
}

/** Stands for the rows that are not there. */
function Space({ height }: { height: number }) {
  if (height <= 0) return null;
  return (
    <tr aria-hidden="true">
      <td style={{ height }} />
    </tr>
  );
}

/** Nothing is said of costs where every call was free. */
export function isPriced(feed: Feed): boolean {
  return feed.rows.some((row) => row.tariff_id !== null);
}

/** `withOwner`: the rows are of several people. */
export function requestColumns(withOwner: boolean, priced: boolean, onOpen: (id: string) => void): ColumnDef<Entry>[] {
  return [
    column.accessor("model", {
      header: "Model",
      meta: { className: "max-w-0 w-[30%] max-sm:w-full" },
      cell: ({ row: { original: entry } }) => (
        <div className="min-w-0">
          <button type="button" onClick={() => onOpen(entry.id)} className="block max-w-full truncate rounded text-left font-medium hover:text-accent">
            {entry.model}
          </button>
          <span className="block truncate text-[0.9rem] text-quiet tabular-nums">
            <span className="md:hidden">{when(entry.timestamp)} · </span>
            {kind(entry)}
            {entry.tariff_id !== null && entry.total_cost !== null && (
              <span className="xl:hidden">
                {" · "}
                <Cost entry={entry} />
              </span>
            )}
            {entry.error_code && <> · {entry.error_code}</>}
          </span>
        </div>
      ),
    }),
    column.accessor("status", { header: "Status", cell: ({ row }) => <StatusBadge entry={row.original} /> }),
    column.accessor("key_name", {
      header: withOwner ? "Key and owner" : "Key",
      meta: { from: "lg", className: "max-w-0 w-[22%]" },
      cell: ({ row: { original: entry } }) => (
        <div className="min-w-0">
          <span className="block truncate">{entry.key_name ?? "Session"}</span>
          {withOwner && <span className="block truncate text-[0.9rem] text-quiet">{entry.user_email}</span>}
        </div>
      ),
    }),
    column.accessor("duration_ms", { header: "Latency", meta: { numeric: true }, cell: ({ getValue }) => duration(getValue()) }),
    column.accessor("duration_to_first_byte_ms", {
      header: "First token",
      meta: { numeric: true, from: "md" },
      cell: ({ getValue }) => duration(getValue()),
    }),
    column.accessor("total_tokens", {
      header: "Tokens",
      meta: { numeric: true, from: "sm" },
      cell: ({ row: { original: entry } }) => <Tokens entry={entry} />,
    }),
    ...(priced ? [column.accessor("total_cost", { header: "Cost", meta: { numeric: true, from: "xl" }, cell: ({ row }) => <Cost entry={row.original} /> })] : []),
    column.accessor("timestamp", {
      header: "Time",
      meta: { numeric: true, from: "md" },
      cell: ({ getValue }) => <span className="text-quiet">{when(getValue())}</span>,
    }),
  ] as ColumnDef<Entry>[];
}

/** The time of today's calls, with the day before it for older ones. */
export function when(moment: string): string {
  const today = new Date().toDateString() === new Date(moment).toDateString();
  return today ? clock(moment) : `${day(moment)}, ${clock(moment)}`;
}

const KINDS: Record<string, string> = {
  chat_completion: "Chat",
  completion: "Completion",
  embeddings: "Embeddings",
  response: "Response",
};

export function kind(entry: Pick<Entry, "response_type" | "streamed">): string {
  const name = KINDS[entry.response_type.replace(/_stream$/, "")] ?? "Call";
  return entry.streamed ? `${name}, streamed` : name;
}
