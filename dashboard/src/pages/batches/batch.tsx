/** One batch, while it runs and afterwards. */
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { useState, type ReactNode } from "react";
import { analyticsQuery, batchQuery, cancelBatch, contentAddress, deleteBatch, isOver, resultsAddress, retryBatch, type Batch } from "@/api/work";
import { useCan } from "@/session/session";
import { count, duration } from "@/text/format";
import { Pace } from "@/text/pace";
import { Button } from "@/ui/button";
import { CopyText } from "@/ui/copy";
import { Confirm } from "@/ui/dialog";
import { Icon } from "@/ui/icon";
import { Card, Facts, Page } from "@/ui/layout";
import { Bones, Failed, NoPermission, Note } from "@/ui/state";
import { Timeline } from "@/ui/timeline";
import { useTitle } from "@/ui/title";
import { toast } from "@/ui/toast";
import { BatchCost } from "./columns";
import { LinesCard } from "./lines-card";
import { BatchBadge, BatchProgress } from "./status";
import { dueOf, happenings, notesOf, titleOf } from "./words";

const route = getRouteApi("/shell/batches/$batchId");

export function BatchPage() {
  return useCan("batches.read") ? <Loaded /> : <NoPermission />;
}

function Loaded() {
  const { batchId } = route.useParams();
  const [pace] = useState(() => new Pace());
  const query = useQuery(batchQuery(batchId, pace));
  useTitle(query.data ? titleOf(query.data) : "Batch");
  if (query.data) return <Full key={batchId} batch={query.data} />;
  return (
    <Page title="Batch" back={{ to: "/batches", label: "Batches" }}>
      <Card>{query.isError ? <Failed error={query.error} retry={() => void query.refetch()} /> : <Bones />}</Card>
    </Page>
  );
}

function Full({ batch }: { batch: Batch }) {
  const notes = notesOf(batch);
  return (
    <Page title={titleOf(batch)} back={{ to: "/batches", label: "Batches" }} badge={<BatchBadge batch={batch} />} description={<CopyText text={batch.id} label="Copy the ID" />} actions={<Actions batch={batch} />}>
      <div className="space-y-5">
        {batch.errors?.data.map(({ message, line }, at) => (
          <Note key={at} tone="bad">
            {line !== null && <span className="font-medium">Line {line}: </span>}
            {message}
          </Note>
        ))}
        <Card>
          <div className="p-5">
            <div className="mb-2 flex flex-wrap items-baseline justify-between gap-x-4">
              <h2 className="font-semibold">Progress</h2>
              <span className="text-quiet">{dueOf(batch)}</span>
            </div>
            <BatchProgress batch={batch} className="[&>[role=progressbar]]:h-2.5" />
          </div>
          <Figures batch={batch} />
        </Card>
        <div className="grid items-start gap-5 lg:grid-cols-2">
          <Card title="Timeline">
            <div className="p-5">
              <Timeline label="Timeline" happenings={happenings(batch)} />
            </div>
          </Card>
          <Card title="Details">
            <div className="p-5">
              <Facts facts={factsOf(batch)} />
              {notes.length > 0 && (
                <>
                  <h3 className="mt-6 mb-3 font-medium">Metadata</h3>
                  <Facts facts={notes} />
                </>
              )}
            </div>
          </Card>
        </div>
        <LinesCard batch={batch} />
      </div>
    </Page>
  );
}

function factsOf(batch: Batch): [string, ReactNode][] {
  return [
    ["Endpoint", <span key="endpoint" className="font-mono text-[0.92rem]">{batch.endpoint}</span>],
    ["Window", batch.completion_window],
    [
      "Input file",
      batch.input_file_id === null ? (
        "Deleted"
      ) : (
        <Link key="file" to="/files" search={{ open: batch.input_file_id }} className="rounded text-accent hover:underline">
          Show it
        </Link>
      ),
    ],
    ["Created by", batch.metadata["created_by_email"] ?? "–"],
    ["Made with", batch.dwext.source === "frontend" ? "A session" : "A key"],
  ];
}

function Figures({ batch }: { batch: Batch }) {
  const analytics = useQuery({ ...analyticsQuery(batch), placeholderData: (before) => before });
  const { total, completed, failed } = batch.request_counts;
  const { usage } = batch;
  const cached = usage.input_tokens_details.cached_tokens;
  const reasoning = usage.output_tokens_details.reasoning_tokens;
  const figures: [string, ReactNode, string?][] = [
    ["Requests", count(total), `${count(total - completed - failed)} left`],
    ["Done", count(completed)],
    ["Failed", count(failed)],
    ["Input tokens", count(usage.input_tokens), cached > 0 ? `${count(cached)} cached` : undefined],
    ["Output tokens", count(usage.output_tokens), reasoning > 0 ? `${count(reasoning)} reasoning` : undefined],
    ["Mean time", duration(analytics.data?.avg_duration_ms), analytics.data?.avg_ttfb_ms ? `${duration(analytics.data.avg_ttfb_ms)} to the first token` : undefined],
    ["Cost", <BatchCost key="cost" of={analytics.data?.total_cost} used={usage.total_tokens} />],
  ];
  return (
    <dl className="grid grid-cols-2 gap-px overflow-hidden border-t border-line sm:grid-cols-4 xl:grid-cols-7">
      {figures.map(([name, value, note]) => (
        <div key={name} className="min-w-0 px-5 py-3 shadow-[0_0_0_1px_var(--line)] max-sm:last:col-span-2 sm:max-xl:last:col-span-2">
          <dt className="text-[0.88rem] text-quiet">{name}</dt>
          <dd className="mt-0.5 font-medium tabular-nums [overflow-wrap:anywhere]">
            {value}
            {note && <span className="block text-[0.88rem] font-normal text-quiet">{note}</span>}
          </dd>
        </div>
      ))}
    </dl>
  );
}

type Asking = "cancel" | "retry" | "delete" | null;

function Actions({ batch }: { batch: Batch }) {
  const client = useQueryClient();
  const navigate = route.useNavigate();
  const may = useCan("batches.create");
  const [asking, setAsking] = useState<Asking>(null);
  const { completed, failed } = batch.request_counts;
  const name = titleOf(batch);
  const close = () => setAsking(null);
  const changed = async (next: Batch, said: string) => {
    client.setQueryData(["batches", "one", batch.id], next);
    await client.invalidateQueries({ queryKey: ["batches"] });
    toast.done(said);
  };
  const retryable = failed > 0 && batch.input_file_id !== null && batch.status !== "cancelling" && batch.status !== "cancelled";
  return (
    <>
      {completed > 0 && <Download href={contentAddress(batch.output_file_id)} name={`${batch.id}-output.jsonl`} label="Output" />}
      {failed > 0 && <Download href={contentAddress(batch.error_file_id)} name={`${batch.id}-errors.jsonl`} label="Errors" />}
      <Download href={resultsAddress(batch.id)} name={`${batch.id}-results.jsonl`} label="All results" />
      {may && retryable && (
        <Button icon="sync" onClick={() => setAsking("retry")}>
          Retry failed
        </Button>
      )}
      {may && !isOver(batch) && batch.status !== "cancelling" && (
        <Button look="warning" onClick={() => setAsking("cancel")}>
          Cancel batch
        </Button>
      )}
      {may && isOver(batch) && (
        <Button look="warning" icon="trash" onClick={() => setAsking("delete")}>
          Delete
        </Button>
      )}
      <Confirm open={asking === "cancel"} onClose={close} title={`Cancel “${name}”?`} verb="Cancel batch" act={async () => changed(await cancelBatch(batch.id), "The batch is being canceled.")}>
        Requests that wait are not sent any more, and those under way are stopped. What is done stays and is paid for.
      </Confirm>
      <Confirm open={asking === "retry"} onClose={close} title="Retry what has failed?" verb="Retry failed" act={async () => changed(await retryBatch(batch.id), "The failed requests wait for another try.")}>
        {count(failed)} {failed === 1 ? "request is" : "requests are"} sent again. Each try is charged.
      </Confirm>
      <Confirm
        open={asking === "delete"}
        onClose={close}
        title={`Delete “${name}”?`}
        verb="Delete batch"
        act={async () => {
          await deleteBatch(batch.id);
          await navigate({ to: "/batches" });
          client.removeQueries({ queryKey: ["batches", "one", batch.id] });
          await client.invalidateQueries({ queryKey: ["batches"] });
          toast.done("The batch is deleted.");
        }}
      >
        Its output and its errors go with it. This cannot be undone.
      </Confirm>
    </>
  );
}

function Download({ href, name, label }: { href: string; name: string; label: string }) {
  return (
    <Button asChild>
      <a href={href} download={name} aria-label={`Download: ${label}`}>
        <Icon name="download" className="-ml-0.5" />
        {label}
      </a>
    </Button>
  );
}

