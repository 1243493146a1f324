/** The models that callers may name: all of them for managers, else those that are open to the reader. */
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { endpointsQuery, groupsQuery, modelsQuery } from "@/api/queries";
import type { ModelSearch } from "@/router";
import { useCan } from "@/session/session";
import { Button } from "@/ui/button";
import { Filter, SearchBox } from "@/ui/field";
import { Card, Page } from "@/ui/layout";
import { Bones, Empty, Failed } from "@/ui/state";
import { DataTable, Pager } from "@/ui/table";
import { useTitle } from "@/ui/title";
import { columnsFor } from "./columns";
import { NewModelDialog } from "./new-model";
import { TYPES } from "./words";

const route = getRouteApi("/shell/models");
const SIZE = 25;

export function ModelsPage() {
  useTitle("Models");
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const manager = useCan("models.manage");
  const { q, type, kind, endpoint, group, order = "alias", page = 1, create } = search;
  const models = useQuery({
    ...modelsQuery({
      search: q ?? null,
      model_type: type ?? null,
      is_composite: kind ? kind === "pool" : null,
      endpoint: endpoint ?? null,
      group: group ?? null,
      include: "groups,endpoints,components,pricing",
      sort: order.replace(/^-/, ""),
      sort_direction: order.startsWith("-") ? "desc" : "asc",
      skip: (page - 1) * SIZE,
      limit: SIZE,
    }),
    placeholderData: keepPreviousData,
  });
  const narrow = (change: Partial<ModelSearch>) => void navigate({ search: (now) => ({ ...now, page: undefined, ...change }), replace: true });
  const narrowed = Boolean(q ?? type ?? kind ?? endpoint ?? group);
  const rows = models.data?.data;
  return (
    <Page
      title="Models"
      description={manager ? "Every model that this server can reach, under the names that callers use." : "The models that you may call."}
      actions={
        manager && (
          <>
            <Button asChild>
              <Link to="/endpoints" search={{ create: true }}>
                Add an endpoint
              </Link>
            </Button>
            <Button look="solid" icon="plus" onClick={() => narrow({ create: true })}>
              Create model
            </Button>
          </>
        )
      }
    >
      <div className="mb-4 grid grid-cols-2 gap-2 sm:flex sm:flex-wrap">
        <SearchBox label="Search models" className="col-span-2 sm:w-64" value={q ?? ""} onSearch={(wanted) => narrow({ q: wanted || undefined })} />
        <Filter label="Type" className="sm:w-40" options={[{ value: "", label: "Every type" }, ...TYPES]} value={type ?? ""} onChange={(event) => narrow({ type: (event.target.value || undefined) as typeof type })} />
        {manager && <ManagerFilters {...{ kind, endpoint, group, narrow }} />}
      </div>
      <Card className="overflow-hidden">
        {rows ? (
          rows.length > 0 ? (
            <>
              <DataTable
                label="Models"
                rows={rows}
                columns={columnsFor(manager)}
                keyOf={(model) => model.id}
                order={order}
                ordered
                onOrder={(next) => narrow({ order: next })}
                onOpen={(model) => void navigate({ to: "/models/$modelId", params: { modelId: model.id } })}
              />
              <Pager page={page} size={SIZE} total={models.data?.total_count ?? 0} onPage={(next) => narrow({ page: next > 1 ? next : undefined })} />
            </>
          ) : narrowed ? (
            <Empty icon="search" title="No model found" action={<Button onClick={() => void navigate({ search: {}, replace: true })}>Show all models</Button>}>
              No model fits these filters.
            </Empty>
          ) : manager ? (
            <Empty icon="models" title="No models yet" action={<Button look="solid" asChild><Link to="/endpoints" search={{ create: true }}>Add an endpoint</Link></Button>}>
              Models come from endpoints: connect a model server, and its models are listed here.
            </Empty>
          ) : (
            <Empty icon="models" title="No model is open to you yet">
              An administrator opens models to groups. Ask for one, then come back.
            </Empty>
          )
        ) : models.isError ? (
          <Failed error={models.error} retry={() => void models.refetch()} />
        ) : (
          <Bones />
        )}
      </Card>
      <NewModelDialog open={create === true} onClose={() => narrow({ create: undefined, page: search.page })} />
    </Page>
  );
}

function ManagerFilters({ kind, endpoint, group, narrow }: Pick<ModelSearch, "kind" | "endpoint" | "group"> & { narrow: (change: Partial<ModelSearch>) => void }) {
  const endpoints = useQuery(endpointsQuery);
  const groups = useQuery(groupsQuery({}));
  const named = (each: { id: string; name: string }) => ({ value: each.id, label: each.name });
  return (
    <>
      <Filter
        label="Kind"
        className="sm:w-40"
        options={[
          { value: "", label: "Every kind" },
          { value: "hosted", label: "On an endpoint" },
          { value: "pool", label: "Pools" },
        ]}
        value={kind ?? ""}
        onChange={(event) => narrow({ kind: (event.target.value || undefined) as typeof kind })}
      />
      <Filter label="Endpoint" className="sm:w-44" options={[{ value: "", label: "Every endpoint" }, ...(endpoints.data ?? []).map(named)]} value={endpoint ?? ""} onChange={(event) => narrow({ endpoint: event.target.value || undefined })} />
      <Filter label="Group" className="sm:w-44" options={[{ value: "", label: "Every group" }, ...(groups.data?.data ?? []).map(named)]} value={group ?? ""} onChange={(event) => narrow({ group: event.target.value || undefined })} />
    </>
  );
}
