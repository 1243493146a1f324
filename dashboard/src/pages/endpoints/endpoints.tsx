/** The model servers behind the gateway. */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { createColumnHelper, type ColumnDef } from "@tanstack/react-table";
import { getRouteApi, Link } from "@tanstack/react-router";
import { useMemo, useState } from "react";
import { api } from "@/api/client";
import { endpointsQuery } from "@/api/queries";
import type { Endpoint } from "@/api/types";
import { limitsInWords } from "@/pages/limits";
import { useCan } from "@/session/session";
import { day, plural } from "@/text/format";
import { Button } from "@/ui/button";
import { Confirm } from "@/ui/dialog";
import { SearchBox } from "@/ui/field";
import { Icon } from "@/ui/icon";
import { Card, Page } from "@/ui/layout";
import { RowMenu } from "@/ui/menu";
import { Bones, Empty, Failed, NoPermission } from "@/ui/state";
import { DataTable } from "@/ui/table";
import { useTitle } from "@/ui/title";
import { toast } from "@/ui/toast";
import { EditEndpoint } from "./edit-endpoint";
import { EndpointModels } from "./endpoint-models";
import { NewEndpointDialog } from "./new-endpoint";

const route = getRouteApi("/shell/endpoints");

type Doing = { what: "edit" | "models" | "delete"; endpoint: Endpoint };

export function EndpointsPage() {
  useTitle("Endpoints");
  return useCan("endpoints.manage") ? <List /> : <NoPermission />;
}

function List() {
  const { q = "", order = "name", create } = route.useSearch();
  const navigate = route.useNavigate();
  const client = useQueryClient();
  const endpoints = useQuery(endpointsQuery);
  const [doing, setDoing] = useState<Doing | null>(null);
  const refresh = () => Promise.all(["endpoints", "models"].map((name) => client.invalidateQueries({ queryKey: [name] })));
  const { mutate: sync } = useMutation({
    mutationFn: (endpoint: Endpoint) => api.post("/admin/api/v1/endpoints/{endpoint_id}/synchronize", { path: { endpoint_id: endpoint.id } }),
    onSuccess: async (done, endpoint) => {
      await refresh();
      toast.done(
        done.changes_made === 0
          ? `${endpoint.name}: nothing has changed.`
          : `${endpoint.name}: ${plural(done.new_models_created, "new model")}, ${done.models_deactivated} gone, ${done.models_reactivated} back.`,
      );
    },
    onError: toast.failed,
  });
  const columns = useMemo(() => columnsFor(setDoing, sync), [sync]);
  const remove = async (endpoint: Endpoint) => {
    await api.delete("/admin/api/v1/endpoints/{endpoint_id}", { path: { endpoint_id: endpoint.id } });
    await refresh();
    toast.done(`${endpoint.name} is deleted.`);
  };
  const creating = (open: boolean) => void navigate({ search: (now) => ({ ...now, create: open || undefined }) });
  const found = endpoints.data?.filter((each) => `${each.name} ${each.url} ${each.description ?? ""}`.toLowerCase().includes(q.toLowerCase()));
  const add = (
    <Button look="solid" icon="plus" onClick={() => creating(true)}>
      Add endpoint
    </Button>
  );
  return (
    <Page title="Endpoints" description="The model servers and providers that answer the calls." actions={add}>
      {endpoints.data && endpoints.data.length > 0 && (
        <SearchBox label="Search endpoints" className="mb-4 sm:w-72" value={q} onChange={(event) => void navigate({ search: (now) => ({ ...now, q: event.target.value || undefined }), replace: true })} />
      )}
      <Card className="overflow-hidden">
        {found ? (
          found.length > 0 ? (
            <DataTable label="Endpoints" rows={found} columns={columns} keyOf={(each) => each.id} order={order} onOrder={(next) => void navigate({ search: (now) => ({ ...now, order: next }), replace: true })} onOpen={(endpoint) => setDoing({ what: "edit", endpoint })} />
          ) : q ? (
            <Empty icon="search" title="No endpoint found">No endpoint is called “{q}”.</Empty>
          ) : (
            <Empty icon="endpoints" title="No endpoints yet" action={add}>
              Connect a server that speaks OpenAI's API, such as vLLM, Ollama, or a provider's. Its models are imported and kept in step.
            </Empty>
          )
        ) : endpoints.isError ? (
          <Failed error={endpoints.error} retry={() => void endpoints.refetch()} />
        ) : (
          <Bones />
        )}
      </Card>
      <NewEndpointDialog open={create === true} onClose={() => creating(false)} />
      {doing?.what === "edit" && <EditEndpoint endpoint={doing.endpoint} onClose={() => setDoing(null)} />}
      {doing?.what === "models" && <EndpointModels endpoint={doing.endpoint} onClose={() => setDoing(null)} />}
      {doing?.what === "delete" && (
        <Confirm open onClose={() => setDoing(null)} title={`Delete “${doing.endpoint.name}”?`} verb="Delete endpoint" act={() => remove(doing.endpoint)}>
          Its models are deleted with it, and calls to them are refused from now on.
        </Confirm>
      )}
    </Page>
  );
}

const column = createColumnHelper<Endpoint>();

function columnsFor(act: (doing: Doing) => void, sync: (endpoint: Endpoint) => void): ColumnDef<Endpoint>[] {
  return [
    column.accessor("name", {
      header: "Name",
      meta: { className: "max-w-0 w-[46%] max-sm:w-full" },
      cell: ({ row: { original: endpoint } }) => (
        <div className="min-w-0">
          <button type="button" className="block max-w-full truncate rounded text-left font-medium hover:text-accent" onClick={() => act({ what: "edit", endpoint })}>
            {endpoint.name}
          </button>
          <span className="block truncate font-mono text-[0.88rem] text-quiet">{endpoint.url}</span>
        </div>
      ),
    }),
    column.display({
      id: "key",
      header: "Key",
      meta: { from: "md" },
      cell: ({ row: { original: endpoint } }) =>
        endpoint.requires_api_key ? (
          <span className="inline-flex items-center gap-1.5 text-quiet">
            <Icon name="lock" className="size-4" /> Sealed
          </span>
        ) : (
          <span className="text-quiet">None</span>
        ),
    }),
    column.display({ id: "limits", header: "Limits", meta: { from: "lg" }, cell: ({ row }) => <span className="text-quiet">{limitsInWords(row.original)}</span> }),
    column.display({
      id: "models",
      header: "Models",
      meta: { from: "sm" },
      cell: ({ row: { original: endpoint } }) => (
        <Link to="/models" search={{ endpoint: endpoint.id }} className="rounded text-accent hover:underline">
          {endpoint.model_filter ? plural(endpoint.model_filter.length, "model") : "All of them"}
        </Link>
      ),
    }),
    column.accessor("created_at", { header: "Added", meta: { from: "md", numeric: true }, cell: ({ getValue }) => <span className="text-quiet">{day(getValue())}</span> }),
    column.display({
      id: "actions",
      header: () => <span className="sr-only">Actions</span>,
      meta: { className: "w-12 text-right" },
      cell: ({ row: { original: endpoint } }) => (
        <RowMenu
          label={`Actions for ${endpoint.name}`}
          actions={[
            { label: "Edit", icon: "edit", onSelect: () => act({ what: "edit", endpoint }) },
            { label: "Choose models", icon: "models", onSelect: () => act({ what: "models", endpoint }) },
            { label: "Import models again", icon: "sync", onSelect: () => sync(endpoint) },
            { label: "Delete", icon: "trash", danger: true, onSelect: () => act({ what: "delete", endpoint }) },
          ]}
        />
      ),
    }),
  ] as ColumnDef<Endpoint>[];
}
