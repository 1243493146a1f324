/** Stored responses: what was asked of `/v1/responses`, at once, in the background or when there is room. */
import { useQuery } from "@tanstack/react-query";
import { createColumnHelper, type ColumnDef } from "@tanstack/react-table";
import { getRouteApi, Link } from "@tanstack/react-router";
import { useMemo, useState } from "react";
import { modelsQuery, MOST } from "@/api/queries";
import { Cost, Tokens } from "@/pages/requests/cost";
import { RequestDrawer } from "@/pages/requests/drawer";
import { useFeed, type CallKind, type Entry, type Narrowing, type Standing } from "@/pages/requests/feed";
import { LiveButton } from "@/pages/requests/live";
import { isPriced, Rows, when } from "@/pages/requests/rows";
import { StatusBadge } from "@/pages/requests/status";
import { useCan } from "@/session/session";
import { duration } from "@/text/format";
import { RANGE_OPTIONS, type Range } from "@/text/ranges";
import { Button } from "@/ui/button";
import { Filter } from "@/ui/field";
import { Card, Page } from "@/ui/layout";
import { Bones, Empty, Failed } from "@/ui/state";
import { useTitle } from "@/ui/title";

const route = getRouteApi("/shell/responses");

const STATUS_OPTIONS = [
  { value: "", label: "Every status" },
  { value: "active", label: "Waiting or running" },
  { value: "completed", label: "Completed" },
  { value: "failed", label: "Failed" },
  { value: "cancelled", label: "Canceled" },
];
const KIND_OPTIONS = [
  { value: "", label: "Every tier" },
  { value: "default", label: "At once" },
  { value: "background", label: "In the background" },
  { value: "flex", label: "Flex" },
];

export function ResponsesPage() {
  useTitle("Responses");
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const everyones = useCan("requests.all");
  const [live, setLive] = useState(true);
  const { range = "7d", status, kind, model } = search;
  const narrowing = useMemo((): Narrowing => ({ range, outcome: undefined, model, path: "/ai/v1/responses", status, kind }), [range, model, status, kind]);
  const { query, older, loadingOlder } = useFeed(narrowing, live);
  const models = useQuery(modelsQuery({ limit: MOST, sort: "alias", sort_direction: "asc" }));
  const narrow = (change: Partial<typeof search>) => void navigate({ search: (now) => ({ ...now, ...change }), replace: true });
  const open = (id: string | undefined) => void navigate({ search: (now) => ({ ...now, open: id, tab: undefined }) });
  const narrowed = status !== undefined || kind !== undefined || model !== undefined;
  const aliases = new Set(models.data?.data.map((each) => each.alias));
  if (model) aliases.add(model);
  return (
    <Page
      title="Responses"
      description={everyones ? "Everyone's stored responses, newest first." : "The stored responses of your keys, newest first."}
      actions={<LiveButton live={live} failing={query.isError} onToggle={() => setLive(!live)} />}
    >
      <div className="mb-4 grid grid-cols-2 gap-2 sm:flex">
        <Filter label="Time" className="sm:w-40" options={RANGE_OPTIONS} value={range} onChange={(event) => narrow({ range: event.target.value as Range })} />
        <Filter label="Status" className="sm:w-48" options={STATUS_OPTIONS} value={status ?? ""} onChange={(event) => narrow({ status: (event.target.value || undefined) as Standing | undefined })} />
        <Filter label="Tier" className="sm:w-48" options={KIND_OPTIONS} value={kind ?? ""} onChange={(event) => narrow({ kind: (event.target.value || undefined) as CallKind | undefined })} />
        <Filter
          label="Model"
          className="sm:w-52"
          options={[{ value: "", label: "Every model" }, ...[...aliases].map((alias) => ({ value: alias, label: alias }))]}
          value={model ?? ""}
          onChange={(event) => narrow({ model: event.target.value || undefined })}
        />
      </div>
      <Card className="overflow-hidden">
        {query.data ? (
          query.data.rows.length > 0 ? (
            <Rows label="Responses" feed={query.data} columns={columnsFor(everyones, isPriced(query.data), open)} onOpen={open} older={() => void older()} loadingOlder={loadingOlder} />
          ) : query.data.next !== null ? (
            <Empty icon="search" title="Nothing found yet" action={<Button busy={loadingOlder} onClick={() => void older()}>Look further back</Button>}>
              None of the newest calls fit these filters.
            </Empty>
          ) : narrowed || range !== "all" ? (
            <Empty icon="search" title="No responses here" action={<Button onClick={() => narrow({ range: "all", status: undefined, kind: undefined, model: undefined })}>Show all of them</Button>}>
              {narrowed ? "No response fits these filters." : "Nothing was asked for in this time. New responses appear here as they come."}
            </Empty>
          ) : (
            <Empty icon="responses" title="No responses yet" action={<Button asChild><Link to="/requests">Show all requests</Link></Button>}>
              Calls of <code className="font-mono text-[0.92rem]">/ai/v1/responses</code> appear here, with their items and what became of them.
            </Empty>
          )
        ) : query.isError ? (
          <Failed error={query.error} retry={() => void query.refetch()} />
        ) : (
          <Bones rows={9} />
        )}
      </Card>
      <RequestDrawer id={search.open} tab={search.tab ?? "items"} onTab={(tab) => narrow({ tab })} onClose={() => open(undefined)} />
    </Page>
  );
}

const column = createColumnHelper<Entry>();

function columnsFor(everyones: boolean, priced: boolean, onOpen: (id: string) => void): ColumnDef<Entry>[] {
  return [
    column.accessor("model", {
      header: "Model",
      meta: { className: "max-w-0 w-[32%] max-sm:w-full" },
      cell: ({ row: { original: entry } }) => (
        <div className="min-w-0">
          <button type="button" onClick={() => onOpen(entry.id)} className="block max-w-full truncate rounded text-left font-medium hover:text-accent">
            {entry.model}
          </button>
          <span className="block truncate text-[0.9rem] text-quiet tabular-nums">
            <span className="md:hidden">{when(entry.timestamp)} · </span>
            <span className="lg:hidden">{tierOf(entry)} · </span>
            {everyones ? entry.user_email : entry.streamed ? "Streamed" : "Whole"}
            {entry.error_code && <> · {entry.error_code}</>}
          </span>
        </div>
      ),
    }),
    column.accessor("status", { header: "Status", cell: ({ row }) => <StatusBadge entry={row.original} /> }),
    column.display({ id: "tier", header: "Tier", meta: { from: "lg" }, cell: ({ row }) => <span className="whitespace-nowrap">{tierOf(row.original)}</span> }),
    column.accessor("duration_ms", { header: "Duration", meta: { numeric: true }, cell: ({ getValue }) => duration(getValue()) }),
    column.accessor("total_tokens", { header: "Tokens", meta: { numeric: true, from: "sm" }, cell: ({ row }) => <Tokens entry={row.original} /> }),
    ...(priced ? [column.accessor("total_cost", { header: "Cost", meta: { numeric: true, from: "md" }, cell: ({ row }) => <Cost entry={row.original} /> })] : []),
    column.accessor("timestamp", { header: "Time", meta: { numeric: true, from: "md" }, cell: ({ getValue }) => <span className="text-quiet">{when(getValue())}</span> }),
  ] as ColumnDef<Entry>[];
}

/** How it was to be done, in a word. */
function tierOf({ service_tier: tier, background, custom_id }: Entry): string {
  if (custom_id !== null) return "Batch";
  const named = tier === "default" ? (background ? "" : "At once") : `${tier.charAt(0).toUpperCase()}${tier.slice(1)}`;
  return background ? (named ? `${named}, background` : "Background") : named;
}
