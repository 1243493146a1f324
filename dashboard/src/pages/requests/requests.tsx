/** Every recorded call, newest first, arriving while one looks. */
import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { useMemo, useState } from "react";
import { modelsQuery, MOST } from "@/api/queries";
import { useCan } from "@/session/session";
import { RANGE_OPTIONS, type Range } from "@/text/ranges";
import { Button } from "@/ui/button";
import { Filter } from "@/ui/field";
import { Card, Page } from "@/ui/layout";
import { Bones, Empty, Failed } from "@/ui/state";
import { useTitle } from "@/ui/title";
import { RequestDrawer } from "./drawer";
import { useFeed, type Narrowing, type Outcome } from "./feed";
import { LiveButton } from "./live";
import { isPriced, requestColumns, Rows } from "./rows";

const route = getRouteApi("/shell/requests");

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
  const { range = "24h", outcome, model } = search;
  const narrowing = useMemo((): Narrowing => ({ range, outcome, model }), [range, outcome, model]);
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
      actions={<LiveButton live={live} failing={query.isError} onToggle={() => setLive(!live)} />}
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
            <Rows label="Requests" feed={query.data} columns={requestColumns(everyones, isPriced(query.data), open)} onOpen={open} older={() => void older()} loadingOlder={loadingOlder} />
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
