/** The recorded calls as they arrive: the first page is asked for every two seconds and laid over what is known. */
import { queryOptions, useQuery, useQueryClient } from "@tanstack/react-query";
import { useCallback, useState } from "react";
import { api } from "@/api/client";
import type { Schemas } from "@/api/client";
import { merged, extended, type Feed } from "./merge";

export type Entry = Schemas["Entry"];
export type Range = "1h" | "24h" | "7d" | "30d" | "all";
export type Outcome = "ok" | "failed" | "4xx" | "5xx";

export interface Narrowing {
  range: Range;
  outcome: Outcome | undefined;
  model: string | undefined;
}

export const PAGE = 50;
const EVERY = 2000;
const HOURS: Record<Range, number | null> = { "1h": 1, "24h": 24, "7d": 168, "30d": 720, all: null };
const STATUSES: Record<Outcome, { status_code_min: number; status_code_max?: number }> = {
  ok: { status_code_min: 200, status_code_max: 399 },
  failed: { status_code_min: 400 },
  "4xx": { status_code_min: 400, status_code_max: 499 },
  "5xx": { status_code_min: 500 },
};

async function page(narrowing: Narrowing, cursor: string | null, limit: number, signal?: AbortSignal) {
  const hours = HOURS[narrowing.range];
  return api.get("/admin/api/v1/requests", {
    query: {
      limit,
      cursor,
      model: narrowing.model ?? null,
      ...(narrowing.outcome ? STATUSES[narrowing.outcome] : {}),
      timestamp_after: hours === null ? null : new Date(Date.now() - hours * 3_600_000).toISOString(),
    },
    ...(signal ? { signal } : {}),
  });
}

/** A few of the newest calls, for a glance. */
export const latestQuery = (limit: number) =>
  queryOptions({
    queryKey: ["requests", "latest", limit],
    queryFn: ({ signal }) => page({ range: "all", outcome: undefined, model: undefined }, null, limit, signal),
    refetchInterval: EVERY,
  });

export function useFeed(narrowing: Narrowing, live: boolean) {
  const client = useQueryClient();
  const [loading, setLoading] = useState(false);
  const { range, outcome, model } = narrowing;
  const key = ["requests", "feed", range, outcome ?? "", model ?? ""];
  const query = useQuery({
    queryKey: key,
    queryFn: async ({ signal }): Promise<Feed> => {
      const head = await page({ range, outcome, model }, null, PAGE, signal);
      return merged(client.getQueryData<Feed>(key), head, PAGE);
    },
    refetchInterval: live ? EVERY : false,
    structuralSharing: false,
  });
  const next = query.data?.next ?? null;
  const older = useCallback(async () => {
    if (next === null || loading) return;
    setLoading(true);
    try {
      const found = await page({ range, outcome, model }, next, PAGE);
      client.setQueryData<Feed>(["requests", "feed", range, outcome ?? "", model ?? ""], (feed) => feed && extended(feed, found));
    } finally {
      setLoading(false);
    }
  }, [client, loading, model, next, outcome, range]);
  return { query, older, loadingOlder: loading };
}

export const requestQuery = (id: string) =>
  queryOptions({
    queryKey: ["requests", "one", id],
    queryFn: ({ signal }) => api.get("/admin/api/v1/requests/{request_id}", { path: { request_id: id }, signal }),
    // What has ended does not change; what runs is looked at again.
    refetchInterval: (query) => (query.state.data?.status === "in_progress" ? EVERY : false),
  });
