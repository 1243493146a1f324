/** What a batch over a file may come to. */
import { useQuery } from "@tanstack/react-query";
import { estimateQuery } from "@/api/work";
import { count, plural } from "@/text/format";
import { sign } from "@/text/money";
import { Amount } from "@/ui/amount";
import { ErrorNote } from "@/ui/state";

export function EstimateFacts({ fileId, window, named }: { fileId: string; window: string; /** Says which window it is for. */ named?: boolean }) {
  const estimate = useQuery(estimateQuery(fileId, window));
  if (estimate.isError) return <ErrorNote error={estimate.error} />;
  const { data } = estimate;
  return (
    <div className="flex flex-wrap items-baseline justify-between gap-x-4 gap-y-1 rounded-lg bg-sunken px-3.5 py-2.5" aria-busy={data === undefined}>
      <span>
        {named && <span className="font-medium">{window}: </span>}
        {data ? `${plural(data.total_requests, "request")}, about ${count(data.total_estimated_input_tokens)} tokens in and ${count(data.total_estimated_output_tokens)} out` : "Estimating…"}
      </span>
      {data && (
        <span className="font-medium">{sign(data.total_estimated_cost) === 0 ? "Free" : <>about <Amount of={data.total_estimated_cost} /></>}</span>
      )}
    </div>
  );
}
