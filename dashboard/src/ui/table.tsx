/** One table for every list: TanStack Table keeps columns and order, this draws them. */
import { flexRender, getCoreRowModel, getSortedRowModel, useReactTable, type ColumnDef, type RowData } from "@tanstack/react-table";
import { useMemo } from "react";
import { cx } from "./classes";
import { Button } from "./button";
import { Icon } from "./icon";
import { count } from "@/text/format";

declare module "@tanstack/react-table" {
  // The parameters must be those of the library's own declaration.
  // eslint reads them as unused, so both are named in the one field that needs neither.
  interface ColumnMeta<TData extends RowData, TValue> {
    /** Figures stand at the right, one below the other. */
    numeric?: boolean;
    /** The width from which there is room for this column. */
    from?: "sm" | "md" | "lg" | "xl";
    className?: string;
    owner?: [TData, TValue];
  }
}

export const FROM = { sm: "hidden sm:table-cell", md: "hidden md:table-cell", lg: "hidden lg:table-cell", xl: "hidden xl:table-cell" };

/** How the URL writes an order: `name`, or `-name` for the other way round. */
export type Order = string;

interface Props<T> {
  label: string;
  rows: readonly T[];
  columns: ColumnDef<T>[];
  keyOf: (row: T) => string;
  order?: Order | undefined;
  onOrder?: ((order: Order) => void) | undefined;
  /** The server has put the rows in order already. */
  ordered?: boolean;
  onOpen?: ((row: T) => void) | undefined;
}

export function DataTable<T>({ label, rows, columns, keyOf, order = "", onOrder, ordered, onOpen }: Props<T>) {
  const sorting = useMemo(() => (order ? [{ id: order.replace(/^-/, ""), desc: order.startsWith("-") }] : []), [order]);
  const table = useReactTable<T>({
    data: rows as T[],
    columns,
    state: { sorting },
    getRowId: keyOf,
    getCoreRowModel: getCoreRowModel(),
    ...(ordered ? { manualSorting: true } : { getSortedRowModel: getSortedRowModel() }),
    enableSorting: onOrder !== undefined,
    sortDescFirst: false,
    // Pages are the server's. Else each new list of rows would set a state, which draws the table anew.
    autoResetAll: false,
  });
  return (
    <table aria-label={label} className="w-full border-separate border-spacing-0">
      <thead>
        {table.getHeaderGroups().map((group) => (
          <tr key={group.id}>
            {group.headers.map(({ id, column, getContext }) => {
              const meta = column.columnDef.meta;
              const sorted = column.getIsSorted();
              const head = flexRender(column.columnDef.header, getContext());
              return (
                <th
                  key={id}
                  scope="col"
                  aria-sort={sorted ? (sorted === "asc" ? "ascending" : "descending") : undefined}
                  className={cx(HEAD, meta?.numeric && "text-right", meta?.from && FROM[meta.from], meta?.className)}
                >
                  {column.getCanSort() && onOrder ? (
                    <button
                      type="button"
                      className={cx("inline-flex items-center gap-1 rounded font-medium hover:text-ink", sorted && "text-ink")}
                      onClick={() => onOrder(sorted === "asc" ? `-${column.id}` : column.id)}
                    >
                      {head}
                      <Icon name={sorted === "desc" ? "down" : "up"} className={cx("size-3.5", !sorted && "opacity-0")} />
                    </button>
                  ) : (
                    head
                  )}
                </th>
              );
            })}
          </tr>
        ))}
      </thead>
      <tbody>
        {table.getRowModel().rows.map((row) => (
          <tr
            key={row.id}
            className={cx("group", onOpen && "cursor-pointer hover:bg-sunken")}
            onClick={(event) => {
              if (onOpen && !isInteractive(event.target)) onOpen(row.original);
            }}
          >
            {row.getVisibleCells().map((cell) => {
              const meta = cell.column.columnDef.meta;
              return (
                <td key={cell.id} className={cx(CELL, meta?.numeric && "text-right tabular-nums", meta?.from && FROM[meta.from], meta?.className)}>
                  {flexRender(cell.column.columnDef.cell, cell.getContext())}
                </td>
              );
            })}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

export const HEAD = "border-b border-line px-3 py-2.5 text-left text-[0.9rem] font-medium whitespace-nowrap text-quiet first:pl-5 last:pr-5";
export const CELL = "border-b border-line px-3 py-2.5 align-middle first:pl-5 last:pr-5 group-last:border-b-0";

/** Whether a click meant something inside the row: a link, a button, or text that is being selected. */
export function isInteractive(target: EventTarget): boolean {
  const selecting = (getSelection()?.toString() ?? "") !== "";
  return selecting || (target instanceof Element && target.closest("a,button,input,label,[role=menuitem],[role=switch]") !== null);
}

/** The ways on and back to the beginning of a list that goes by what came last, so that it has no numbers. */
export function Onward({ first, more, onFirst, onNext }: { first: boolean; more: boolean; onFirst: () => void; onNext: () => void }) {
  if (first && !more) return null;
  return (
    <nav aria-label="Pages" className="flex justify-end gap-2 border-t border-line px-5 py-3">
      <Button size="sm" disabled={first} onClick={onFirst}>
        First page
      </Button>
      <Button size="sm" disabled={!more} onClick={onNext}>
        Next page
      </Button>
    </nav>
  );
}

/** `1–50 of 120`, and the ways on and back. */
export function Pager({ page, size, total, onPage }: { page: number; size: number; total: number; onPage: (page: number) => void }) {
  const pages = Math.max(1, Math.ceil(total / size));
  if (total <= size && page === 1) return null;
  const first = (page - 1) * size + 1;
  return (
    <nav aria-label="Pages" className="flex items-center justify-between gap-3 border-t border-line px-5 py-3">
      <span className="text-quiet tabular-nums">
        {count(Math.min(first, total))}–{count(Math.min(total, first + size - 1))} of {count(total)}
      </span>
      <span className="flex gap-2">
        <Button size="sm" disabled={page <= 1} onClick={() => onPage(page - 1)}>
          Previous
        </Button>
        <Button size="sm" disabled={page >= pages} onClick={() => onPage(page + 1)}>
          Next
        </Button>
      </span>
    </nav>
  );
}
