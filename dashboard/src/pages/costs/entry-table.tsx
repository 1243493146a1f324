/** Entries of the ledger: what was booked, when, and what was left. */
import { createColumnHelper, type ColumnDef } from "@tanstack/react-table";
import { Link } from "@tanstack/react-router";
import { useMemo } from "react";
import type { Transaction } from "@/api/types";
import { exact, day } from "@/text/format";
import { Amount } from "@/ui/amount";
import { cx } from "@/ui/classes";
import { DataTable } from "@/ui/table";
import { adds, balances, KIND_LABELS, requestOf, signed } from "./entries";

type Row = Transaction & { after: string | null };

/** `start` is the balance after the first entry; null where entries are left out, so that no balance can be told. */
export function EntryTable({ entries, start, everyones }: { entries: readonly Transaction[]; start: string | null; everyones: boolean }) {
  const rows = useMemo(() => {
    const after = start === null ? null : balances(start, entries);
    return entries.map((entry, at): Row => ({ ...entry, after: after?.[at] ?? null }));
  }, [entries, start]);
  return <DataTable label="Transactions" rows={rows} columns={columnsFor(everyones, start !== null)} keyOf={(row) => `${row.id} ${row.transaction_type}`} />;
}

const column = createColumnHelper<Row>();

function columnsFor(everyones: boolean, running: boolean): ColumnDef<Row>[] {
  return [
    column.accessor("transaction_type", {
      header: "Transaction",
      meta: { className: "max-w-0 w-[42%] max-sm:w-full" },
      cell: ({ row: { original: entry } }) => <What entry={entry} everyones={everyones} />,
    }),
    ...(everyones
      ? [
          column.accessor("user_email", {
            header: "Account",
            meta: { from: "lg", className: "max-w-0 w-[22%]" },
            cell: ({ row: { original: entry } }) => <Owner entry={entry} />,
          }),
        ]
      : []),
    column.accessor("created_at", {
      header: "Time",
      meta: { from: "md", numeric: true },
      cell: ({ getValue }) => <span className="whitespace-nowrap text-quiet">{exact(getValue())}</span>,
    }),
    column.accessor("exact_amount", {
      header: "Amount",
      meta: { numeric: true },
      cell: ({ row: { original: entry } }) => (
        <>
          <Amount of={signed(entry)} plus={adds(entry.transaction_type)} className={cx("whitespace-nowrap", adds(entry.transaction_type) && "text-good")} />
          {entry.after !== null && (
            <span className="block text-[0.9rem] whitespace-nowrap text-quiet sm:hidden">
              <span className="sr-only">Balance </span>
              <Amount of={entry.after} />
            </span>
          )}
        </>
      ),
    }),
    ...(running
      ? [column.accessor("after", { header: "Balance", meta: { from: "sm", numeric: true }, cell: ({ getValue }) => <Amount of={getValue() ?? "0"} className="whitespace-nowrap" /> })]
      : []),
  ] as ColumnDef<Row>[];
}

function What({ entry, everyones }: { entry: Transaction; everyones: boolean }) {
  const request = requestOf(entry);
  const title = entry.transaction_type === "usage" ? (entry.model ?? "Usage") : KIND_LABELS[entry.transaction_type];
  const told = [request ? "Usage" : entry.description, entry.created_by_email && `by ${entry.created_by_email}`].filter(Boolean).join(" · ");
  return (
    <div className="min-w-0">
      {request ? (
        <Link to="/requests" search={{ range: "all", open: request, tab: "details" }} className="block truncate rounded font-medium hover:text-accent">
          {title}
        </Link>
      ) : (
        <span className="block truncate font-medium">{title}</span>
      )}
      {told && (
        <span className="block truncate text-[0.9rem] text-quiet" title={entry.description ?? undefined}>
          {told}
        </span>
      )}
      {everyones && (
        <span className="block truncate text-[0.9rem] lg:hidden">
          <Owner entry={entry} />
        </span>
      )}
      <span className="block text-[0.9rem] text-quiet md:hidden">{day(entry.created_at)}</span>
    </div>
  );
}

function Owner({ entry }: { entry: Transaction }) {
  return (
    <Link to="/users/$userId" params={{ userId: entry.user_id }} search={{ tab: "credits" }} className="block truncate rounded text-quiet hover:text-accent">
      {entry.user_email ?? "–"}
    </Link>
  );
}
