/** Every recorded call, newest first, arriving while one looks. */
import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { useState } from "react";
import { modelsQuery, MOST } from "@/api/queries";
import { useCan } from "@/session/session";
import { Button } from "@/ui/button";
import { cx } from "@/ui/classes";
import { Filter } from "@/ui/field";
import { Card, Page } from "@/ui/layout";
import { Bones, Empty, Failed } from "@/ui/state";
import { useTitle } from "@/ui/title";
import { RequestDrawer } from "./drawer";
import { useFeed, type Narrowing, type Outcome, type Range } from "./feed";
import { Rows } from "./rows";

const route = getRouteApi("/shell/requests");

const RANGE_OPTIONS = [
  { value: "1h", label: "Last hour" },
  { value: "24h", label: "Last 24 hours" },
  { value: "7d", label: "Last 7 days" },
  { value: "30d", label: "Last 30 days" },
  { value: "all", label: "All time" },
];
const OUTCOME_OPTIONS = [
  { value: "", label: "Every status" },
  { value: "ok", label: "Successful" },
  { value: "failed", label: "Failed (4xx, 5xx)" },
  { value: "4xx", label: "Client errors (4xx)" },
  { value: "5xx", label: "Server errors (5xx)" },
];

export function RequestsPage() {
  useTitle("Requests");
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const everyones = useCan("requests.all");
  const [live, setLive] = useState(true);
  const narrowing: Narrowing = { range: search.range ?? "24h", outcome: search.outcome, model: search.model };
  const { query, older, loadingOlder } = useFeed(narrowing, live);
  const models = useQuery(modelsQuery({ limit: MOST, sort: "alias", sort_direction: "asc" }));
  const narrow = (change: Partial<typeof search>) => void navigate({ search: (now) => ({ ...now, ...change }), replace: true });
  const open = (id: string | undefined) => void navigate({ search: (now) => ({ ...now, open: id, tab: undefined }) });
  const narrowed = search.outcome !== undefined || search.model !== undefined;

  const aliases = new Set(models.data?.data.map((model) => model.alias));
  if (search.model) aliases.add(search.model);

  return (
    <Page
      title="Requests"
      description={everyones ? "Every call through the gateway, newest first." : "The calls of your keys, newest first."}
      actions={<Live live={live} failing={query.isError} onToggle={() => setLive(!live)} />}
    >
      <div className="mb-4 grid grid-cols-2 gap-2 sm:flex">
        <Filter label="Time" className="sm:w-44" options={RANGE_OPTIONS} value={narrowing.range} onChange={(event) => narrow({ range: event.target.value as Range })} />
        <Filter label="Status" className="sm:w-48" options={OUTCOME_OPTIONS} value={search.outcome ?? ""} onChange={(event) => narrow({ outcome: (event.target.value || undefined) as Outcome | undefined })} />
        <Filter
          label="Model"
          className="col-span-2 sm:w-60"
          options={[{ value: "", label: "Every model" }, ...[...aliases].map((alias) => ({ value: alias, label: alias }))]}
          value={search.model ?? ""}
          onChange={(event) => narrow({ model: event.target.value || undefined })}
        />
      </div>
      <Card className="overflow-hidden">
        {query.data ? (
          query.data.rows.length > 0 ? (
            <Rows feed={query.data} withOwner={everyones} onOpen={open} older={() => void older()} loadingOlder={loadingOlder} />
          ) : query.data.next !== null ? (
            <Empty icon="search" title="Nothing found yet" action={<Button busy={loadingOlder} onClick={() => void older()}>Look further back</Button>}>
              None of the newest calls fit these filters.
            </Empty>
          ) : narrowed || narrowing.range !== "all" ? (
            <Empty icon="search" title="No requests here" action={<Button onClick={() => narrow({ range: "all", outcome: undefined, model: undefined })}>Show all of them</Button>}>
              {narrowed ? "No call fits these filters." : "Nothing was called in this time. New calls appear here as they come."}
            </Empty>
          ) : (
            <Empty icon="requests" title="Waiting for the first request" action={<Button look="solid" asChild><Link to="/">Send one</Link></Button>}>
              Each call through the gateway becomes a row here, with its answer, its time and its tokens.
            </Empty>
          )
        ) : query.isError ? (
          <Failed error={query.error} retry={() => void query.refetch()} />
        ) : (
          <Bones rows={9} />
        )}
      </Card>
      <RequestDrawer id={search.open} tab={search.tab ?? "conversation"} onTab={(tab) => narrow({ tab })} onClose={() => open(undefined)} />
    </Page>
  );
}

function Live({ live, failing, onToggle }: { live: boolean; failing: boolean; onToggle: () => void }) {
  return (
    <Button onClick={onToggle} aria-pressed={live}>
      <span className={cx("size-2 rounded-full", failing ? "bg-bad" : live ? "animate-pulse bg-good" : "bg-faint")} />
      {failing ? "Not reached" : live ? "Live" : "Paused"}
    </Button>
  );
}
