/** What happened to a call, and of a background stream its events as its readers got them. */
import { useQuery } from "@tanstack/react-query";
import { api, type Schemas } from "@/api/client";
import { Failed, Note } from "@/ui/state";
import { Timeline } from "@/ui/timeline";
import { requestKey } from "./feed";
import { events } from "./stream";
import { happenings } from "./timeline";

export function CallTimeline({ detail }: { detail: Schemas["RequestDetail"] }) {
  return (
    <div className="space-y-8">
      <Timeline label="Timeline" happenings={happenings(detail)} />
      {detail.background && detail.streamed && <Events id={detail.id} under={detail.completed_at === null} />}
    </div>
  );
}

const EVERY = 2000;

function Events({ id, under }: { id: string; under: boolean }) {
  const query = useQuery({
    queryKey: [...requestKey(id), "events", under],
    queryFn: ({ signal }) => api.get("/admin/api/v1/requests/{request_id}/events", { path: { request_id: id }, signal }),
    refetchInterval: under ? EVERY : false,
  });
  if (query.isError) return <Failed error={query.error} retry={() => void query.refetch()} />;
  if (!query.data || query.data.steps.length === 0) return null;
  return (
    <section>
      <h3 className="mb-3 font-medium">Events of the stream</h3>
      <Timeline label="Events of the stream" happenings={events(query.data.steps)} fine />
      {query.data.further && (
        <Note tone="info" className="mt-4">
          There are more of them than are shown.
        </Note>
      )}
    </section>
  );
}
