import { createColumnHelper, type ColumnDef } from "@tanstack/react-table";
import { Link } from "@tanstack/react-router";
import { EVERYONE, type Model } from "@/api/types";
import { limitsInWords } from "@/pages/limits";
import { day } from "@/text/format";
import { CopyText } from "@/ui/copy";
import { Icon } from "@/ui/icon";
import { Badge } from "@/ui/layout";
import { Price } from "./price";
import { placeOf, typeLabel } from "./words";

const column = createColumnHelper<Model>();

const alias = column.accessor("alias", {
  header: "Model",
  meta: { className: "max-w-0 w-[38%] max-md:w-full" },
  cell: ({ row: { original: model } }) => (
    <div className="flex min-w-0 items-center gap-3">
      <span className="flex size-8 shrink-0 items-center justify-center rounded-lg border border-line bg-sunken text-quiet">
        <Icon name={model.is_composite ? "pool" : "models"} className="size-4.5" />
      </span>
      <div className="min-w-0">
        <span className="flex items-center gap-2">
          <Link to="/models/$modelId" params={{ modelId: model.id }} className="truncate rounded font-medium hover:text-accent">
            {model.alias}
          </Link>
          {!model.active && <Badge tone="warn">Not listed</Badge>}
          {model.groups?.length === 0 && (
            <Badge tone="warn" className="sm:hidden">
              Nobody
            </Badge>
          )}
        </span>
        <span className="block truncate text-[0.9rem] text-quiet">{model.display_name ?? (placeOf(model) || typeLabel(model.model_type))}</span>
        <span className="block truncate text-[0.9rem] text-quiet md:hidden">
          <Price model={model} />
        </span>
      </div>
    </div>
  ),
});

const type = column.accessor("model_type", {
  header: "Type",
  enableSorting: false,
  meta: { from: "md" },
  cell: ({ getValue }) => <span className="text-quiet">{typeLabel(getValue())}</span>,
});

const price = column.accessor((model) => model.tariffs, {
  id: "price_from",
  header: "Price of 1M tokens",
  meta: { from: "md" },
  cell: ({ row }) => <Price model={row.original} />,
});

const created = column.accessor("created_at", {
  header: "Added",
  meta: { from: "xl", numeric: true },
  cell: ({ getValue }) => <span className="whitespace-nowrap text-quiet">{day(getValue())}</span>,
});

const FOR_MANAGERS = [
  alias,
  type,
  column.display({ id: "access", header: "Open to", meta: { from: "sm" }, cell: ({ row }) => <Access model={row.original} /> }),
  column.display({ id: "limits", header: "Limits", meta: { from: "xl" }, cell: ({ row }) => <span className="text-quiet">{limitsInWords(row.original)}</span> }),
  price,
  created,
] as ColumnDef<Model>[];

const FOR_EVERYONE = [
  alias,
  type,
  column.display({ id: "copy", header: "Name to call it by", meta: { from: "sm" }, cell: ({ row }) => <CopyText text={row.original.alias} label="Copy the name" /> }),
  price,
  created,
] as ColumnDef<Model>[];

export function columnsFor(manager: boolean): ColumnDef<Model>[] {
  return manager ? FOR_MANAGERS : FOR_EVERYONE;
}

function Access({ model }: { model: Model }) {
  const groups = model.groups ?? [];
  if (groups.length === 0) return <Badge tone="warn">Nobody</Badge>;
  if (groups.some((group) => group.id === EVERYONE)) return <Badge>Everyone</Badge>;
  return (
    <span className="flex flex-wrap gap-1">
      {groups.slice(0, 2).map((group) => (
        <Badge key={group.id}>{group.name}</Badge>
      ))}
      {groups.length > 2 && <Badge>+{groups.length - 2}</Badge>}
    </span>
  );
}
