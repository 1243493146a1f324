/** Batches: files of requests that are done within a window. */
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { useState } from "react";
import { modelsQuery, MOST } from "@/api/queries";
import { batchesQuery } from "@/api/work";
import type { BatchesSearch } from "@/router";
import { useActing, useCan } from "@/session/session";
import { Pace } from "@/text/pace";
import { startOf, RANGE_OPTIONS } from "@/text/ranges";
import { Button } from "@/ui/button";
import { Filter, SearchBox } from "@/ui/field";
import { Card, Page } from "@/ui/layout";
import { Bones, Empty, Failed, NoPermission } from "@/ui/state";
import { DataTable, Onward } from "@/ui/table";
import { useTitle } from "@/ui/title";
import { columnsFor } from "./columns";
import { NewBatchDialog } from "./new-batch";
import { Owner, SwitchedOff, useAllowed } from "./owner";

const route = getRouteApi("/shell/batches");

const STATUS_OPTIONS = [
  { value: "", label: "Every status" },
  { value: "in_progress", label: "Running" },
  { value: "completed", label: "Completed" },
  { value: "failed", label: "Failed" },
  { value: "cancelled", label: "Canceled" },
  { value: "expired", label: "Late" },
];

export function BatchesPage() {
  useTitle("Batches");
  return useCan("batches.read") ? <List /> : <NoPermission />;
}

function List() {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const acting = useActing();
  const everyones = useCan("batches.all") && acting.organization === null;
  const mayCreate = useCan("batches.create");
  const [pace] = useState(() => new Pace());
  const allowed = useAllowed();
  const models = useQuery(modelsQuery({ limit: MOST, sort: "alias", sort_direction: "asc" }));
  const range = search.range ?? "all";
  const batches = useQuery({
    ...batchesQuery({ after: search.after, search: search.q, status: search.status, endpoint: search.endpoint, model: search.model, member_id: search.by, created_after: startOf(range) }, pace),
    placeholderData: keepPreviousData,
  });
  const narrow = (change: Partial<BatchesSearch>) => void navigate({ search: (now) => ({ ...now, after: undefined, ...change }), replace: true });
  const creating = (open: boolean) => void navigate({ search: (now) => ({ ...now, create: open || undefined, file: undefined }) });
  const { q, status, endpoint, model, by } = search;
  const narrowed = [q, status, endpoint, model, by].some((each) => each !== undefined) || range !== "all";
  const paths = new Set(allowed?.allowed_url_paths);
  if (endpoint) paths.add(endpoint);
  const aliases = new Set(models.data?.data.map((each) => each.alias));
  if (model) aliases.add(model);
  const create = mayCreate && (
    <Button look="solid" icon="plus" onClick={() => creating(true)}>
      Create batch
    </Button>
  );
  if (allowed === null) return <SwitchedOff title="Batches" />;
  return (
    <Page
      title="Batches"
      description={`${everyones ? "Everyone's" : acting.organization ? `${acting.organization.name}'s` : "Your"} files of requests, done within a window.`}
      actions={
        <>
          {everyones && <Owner by={by} onChoose={(wanted) => narrow({ by: wanted })} />}
          {create}
        </>
      }
    >
      <div className="mb-4 grid grid-cols-2 gap-2 lg:flex">
        <SearchBox label="Search batches" className="col-span-2 lg:w-64" value={q ?? ""} onSearch={(wanted) => narrow({ q: wanted || undefined })} />
        <Filter label="Status" className="lg:w-40" options={STATUS_OPTIONS} value={status ?? ""} onChange={(event) => narrow({ status: (event.target.value || undefined) as BatchesSearch["status"] })} />
        <Filter label="Time" className="lg:w-40" options={RANGE_OPTIONS} value={range} onChange={(event) => narrow({ range: event.target.value as BatchesSearch["range"] })} />
        <Filter label="Endpoint" className="lg:w-48" options={[{ value: "", label: "Every endpoint" }, ...options(paths)]} value={endpoint ?? ""} onChange={(event) => narrow({ endpoint: event.target.value || undefined })} />
        <Filter label="Model" className="lg:w-44" options={[{ value: "", label: "Every model" }, ...options(aliases)]} value={model ?? ""} onChange={(event) => narrow({ model: event.target.value || undefined })} />
      </div>
      <Card className="overflow-hidden">
        {batches.data ? (
          batches.data.data.length > 0 || search.after !== undefined ? (
            <>
              <DataTable label="Batches" rows={batches.data.data} columns={columnsFor(everyones)} keyOf={(batch) => batch.id} ordered onOpen={(batch) => void navigate({ to: "/batches/$batchId", params: { batchId: batch.id } })} />
              <Onward
                first={search.after === undefined}
                more={batches.data.has_more}
                onFirst={() => void navigate({ search: (now) => ({ ...now, after: undefined }) })}
                onNext={() => void navigate({ search: (now) => ({ ...now, after: batches.data.last_id ?? undefined }) })}
              />
            </>
          ) : narrowed ? (
            <Empty icon="search" title="No batches here" action={<Button onClick={() => void navigate({ search: {} })}>Show all of them</Button>}>
              No batch fits these filters.
            </Empty>
          ) : (
            <Empty icon="batches" title="No batches yet" action={create}>
              A batch is a file with one request on each line. Its requests wait until there is room for them, and cost less where a model has a price for batches.
            </Empty>
          )
        ) : batches.isError ? (
          <Failed error={batches.error} retry={() => void batches.refetch()} />
        ) : (
          <Bones />
        )}
      </Card>
      {mayCreate && search.create && allowed && (
        <NewBatchDialog allowed={allowed} file={search.file} onClose={() => creating(false)} onMade={(made) => void navigate({ to: "/batches/$batchId", params: { batchId: made.id } })} />
      )}
    </Page>
  );
}

function options(values: Iterable<string>) {
  return [...values].map((value) => ({ value, label: value }));
}
