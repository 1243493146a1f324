import { createColumnHelper, type ColumnDef } from "@tanstack/react-table";
import { useMemo } from "react";
import type { Tariff } from "@/api/types";
import { day, exact } from "@/text/format";
import { money, perMillion } from "@/text/money";
import { IconButton } from "@/ui/button";
import { DataTable } from "@/ui/table";
import { forWhat, priceInWords } from "./tariffs";

interface Actions {
  edit: (tariff: Tariff) => void;
  close: (tariff: Tariff) => void;
}

/** Tariffs with the prices of a million tokens, and since when they hold. */
export function TariffTable({ label, tariffs, actions }: { label: string; tariffs: readonly Tariff[]; actions?: Actions | undefined }) {
  const columns = useMemo(() => columnsFor(actions), [actions]);
  return <DataTable label={label} rows={tariffs} columns={columns} keyOf={(tariff) => tariff.id} />;
}

const column = createColumnHelper<Tariff>();

function columnsFor(actions: Actions | undefined): ColumnDef<Tariff>[] {
  return [
    column.accessor("name", {
      header: "Tariff",
      meta: { className: "max-w-0 w-[30%] max-md:w-full" },
      cell: ({ row: { original: tariff } }) => (
        <div className="min-w-0">
          <span className="block truncate font-medium">{tariff.name}</span>
          <span className="block truncate text-[0.9rem] text-quiet">{forWhat(tariff)}</span>
          <span className="block text-[0.9rem] text-quiet tabular-nums md:hidden">{priceInWords(tariff)}</span>
          {partsInWords(tariff) !== "" && (
            <span className="block text-[0.9rem] text-quiet tabular-nums md:hidden">{partsInWords(tariff)}</span>
          )}
          <span className="block text-[0.9rem] text-quiet lg:hidden">
            <Validity tariff={tariff} />
          </span>
        </div>
      ),
    }),
    price("input_price_per_token", "Input"),
    price("cached_input_price_per_token", "Cached input", "as input"),
    price("cache_write_price_per_token", "Cache write", "as input"),
    price("output_price_per_token", "Output"),
    price("reasoning_price_per_token", "Reasoning", "as output"),
    column.accessor("valid_from", {
      header: "In force",
      meta: { from: "lg", numeric: true },
      cell: ({ row }) => (
        <span className="whitespace-nowrap text-quiet">
          <Validity tariff={row.original} />
        </span>
      ),
    }),
    ...(actions
      ? [
          column.display({
            id: "actions",
            header: () => <span className="sr-only">Actions</span>,
            meta: { className: "text-right whitespace-nowrap" },
            cell: ({ row: { original: tariff } }) => (
              <>
                <IconButton icon="edit" label={`Change ${tariff.name}`} onClick={() => actions.edit(tariff)} />
                <IconButton icon="close" label={`Close ${tariff.name}`} onClick={() => actions.close(tariff)} />
              </>
            ),
          }),
        ]
      : []),
  ] as ColumnDef<Tariff>[];
}

function price(name: "input_price_per_token" | "cached_input_price_per_token" | "cache_write_price_per_token" | "output_price_per_token" | "reasoning_price_per_token", header: string, otherwise = "") {
  return column.accessor(name, {
    header,
    meta: { from: "md", numeric: true },
    cell: ({ getValue }) => {
      const value = getValue();
      return value === null ? <span className="whitespace-nowrap text-quiet">{otherwise}</span> : money(perMillion(value));
    },
  });
}

function partsInWords({ cached_input_price_per_token: cached, cache_write_price_per_token: written, reasoning_price_per_token: reasoning }: Tariff): string {
  const words = [cached !== null && `${money(perMillion(cached))} cached`, written !== null && `${money(perMillion(written))} written`, reasoning !== null && `${money(perMillion(reasoning))} reasoning`];
  return words.filter(Boolean).join(", ");
}

function Validity({ tariff }: { tariff: Tariff }) {
  const from = day(tariff.valid_from);
  if (tariff.valid_until === null) return <span title={exact(tariff.valid_from)}>since {from}</span>;
  const until = day(tariff.valid_until);
  return <span title={`${exact(tariff.valid_from)} – ${exact(tariff.valid_until)}`}>{from === until ? from : `${from} – ${until}`}</span>;
}
