import { Link } from "@tanstack/react-router";
import type { Entry } from "@/pages/requests/feed";
import { StatusBadge } from "@/pages/requests/status";
import { ago, count, duration } from "@/text/format";
import { Button } from "@/ui/button";

/** The newest calls, as they come. */
export function Arrivals({ rows }: { rows: readonly Entry[] }) {
  if (rows.length === 0) {
    return (
      <p role="status" className="flex items-center gap-3 rounded-lg border border-dashed border-edge px-4 py-5 text-quiet">
        <span className="size-2 shrink-0 animate-pulse rounded-full bg-accent" />
        Waiting for the first request. It appears here within two seconds.
      </p>
    );
  }
  return (
    <div>
      <ul aria-label="Newest requests" className="divide-y divide-line overflow-hidden rounded-lg border border-line">
        {rows.map((row) => (
          <li key={row.id}>
            <Link to="/requests" search={{ open: row.id }} className="flex flex-wrap items-center gap-x-4 gap-y-0.5 px-3.5 py-2.5 hover:bg-hover">
              <StatusBadge entry={row} />
              <span className="min-w-0 flex-1 truncate font-medium">{row.model}</span>
              <span className="text-quiet tabular-nums max-sm:hidden">{count(row.total_tokens)} tokens</span>
              <span className="text-quiet tabular-nums">{duration(row.duration_ms)}</span>
              <span className="w-20 text-right text-quiet tabular-nums">{ago(row.timestamp)}</span>
            </Link>
          </li>
        ))}
      </ul>
      <Button className="mt-4" asChild>
        <Link to="/requests">See all requests</Link>
      </Button>
    </div>
  );
}
