/** Somebody's keys, and the way to take one back. */
import { useQueryClient } from "@tanstack/react-query";
import { createColumnHelper, type ColumnDef } from "@tanstack/react-table";
import { useMemo, useState } from "react";
import { api } from "@/api/client";
import type { ApiKey } from "@/api/types";
import { limitsInWords } from "@/pages/limits";
import { ago, day, exact, plural } from "@/text/format";
import { IconButton } from "@/ui/button";
import { Confirm } from "@/ui/dialog";
import { Badge } from "@/ui/layout";
import { DataTable, type Order } from "@/ui/table";
import { toast } from "@/ui/toast";

const column = createColumnHelper<ApiKey>();

export function KeyTable({ keys, owner, order, onOrder }: { keys: readonly ApiKey[]; owner: string; order?: Order | undefined; onOrder?: (order: Order) => void }) {
  const client = useQueryClient();
  const [revoking, setRevoking] = useState<ApiKey | null>(null);
  // Nothing is said of use where nothing is known of it.
  const used = keys.some((key) => key.last_used !== null);
  const columns = useMemo(() => columnsFor(setRevoking, used), [used]);
  const revoke = async (key: ApiKey) => {
    await api.delete("/admin/api/v1/users/{user_id}/api-keys/{key_id}", { path: { user_id: owner, key_id: key.id } });
    await client.invalidateQueries({ queryKey: ["keys"] });
    toast.done(`Key “${key.name}” is revoked.`);
  };
  return (
    <>
      <DataTable label="API keys" rows={keys} columns={columns} keyOf={(key) => key.id} order={order} onOrder={onOrder} />
      {revoking && (
        <Confirm open onClose={() => setRevoking(null)} title={`Revoke “${revoking.name}”?`} verb="Revoke key" act={() => revoke(revoking)}>
          Whoever uses it is refused from now on. This cannot be undone.
        </Confirm>
      )}
    </>
  );
}

function columnsFor(revoke: (key: ApiKey) => void, used: boolean): ColumnDef<ApiKey>[] {
  const lastUsed = column.accessor((key) => key.last_used ?? "", {
    id: "last_used",
    header: "Last used",
    meta: { from: "sm", numeric: true },
    cell: ({ row: { original: key } }) => <span title={key.last_used ? exact(key.last_used) : undefined}>{ago(key.last_used)}</span>,
  });
  return [
    column.accessor("name", {
      header: "Name",
      meta: { className: "max-w-0 w-[34%] max-sm:w-full" },
      cell: ({ row: { original: key } }) => (
        <div className="min-w-0">
          <span className="flex items-center gap-2">
            <span className="truncate font-medium">{key.name}</span>
            {key.purpose === "platform" && <Badge tone="accent">Admin API</Badge>}
            {expired(key) && <Badge tone="warn">Expired</Badge>}
          </span>
          <span className="block truncate text-[0.9rem] text-quiet">
            <span className="font-mono">{key.key_prefix}…</span>
            {used && <span className="sm:hidden"> · used {ago(key.last_used)}</span>}
          </span>
        </div>
      ),
    }),
    column.display({ id: "limits", header: "Limits", meta: { from: "lg" }, cell: ({ row }) => <span className="text-quiet">{boundsOf(row.original)}</span> }),
    ...(used ? [lastUsed] : []),
    column.accessor((key) => key.expires_at ?? "9999", {
      id: "expires_at",
      header: "Expires",
      meta: { from: "md", numeric: true },
      cell: ({ row: { original: key } }) => (key.expires_at ? day(key.expires_at) : <span className="text-quiet">never</span>),
    }),
    column.accessor("created_at", { header: "Created", meta: { from: "md", numeric: true }, cell: ({ getValue }) => day(getValue()) }),
    column.display({
      id: "actions",
      header: () => <span className="sr-only">Actions</span>,
      meta: { className: "w-12 text-right" },
      cell: ({ row: { original: key } }) => <IconButton icon="trash" label={`Revoke ${key.name}`} onClick={() => revoke(key)} />,
    }),
  ] as ColumnDef<ApiKey>[];
}

/** Its limits, and the lists that it is held to. */
function boundsOf(key: ApiKey): string {
  const limits = limitsInWords(key);
  const lists = [
    key.allowed_models && plural(key.allowed_models.length, "model"),
    key.allowed_cidrs && plural(key.allowed_cidrs.length, "network"),
  ].filter(Boolean);
  return lists.length === 0 ? limits : [...(limits === "None" ? [] : [limits]), ...lists.map((list) => `only ${list}`)].join(" · ");
}

function expired(key: ApiKey): boolean {
  return key.expires_at !== null && new Date(key.expires_at).getTime() < Date.now();
}
