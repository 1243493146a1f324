/** The recorded calls as they arrive: the first page is asked for every two seconds and laid over what is known. */
import { queryOptions, useQuery, useQueryClient } from "@tanstack/react-query";
import { useCallback, useMemo, useState } from "react";
import { api } from "@/api/client";
import type { Schemas } from "@/api/client";
import type { CALL_KINDS, STANDINGS } from "@/router";
import { HOURS, type Range } from "@/text/ranges";
import { merged, extended, type Feed } from "./merge";

export type Entry = Schemas["Entry"];
export type Outcome = "ok" | "failed" | "4xx" | "5xx";
export type Standing = (typeof STANDINGS)[number];
export type CallKind = (typeof CALL_KINDS)[number];

export interface Narrowing {
  range: Range;
  outcome: Outcome | undefined;
  model: string | undefined;
  /** The path that was called, such as `/ai/v1/responses`. */
  path?: string | undefined;
  status?: Standing | undefined;
  kind?: CallKind | undefined;
}

export const PAGE = 50;
const EVERY = 2000;
const STATUSES: Record<Outcome, { status_code_min: number; status_code_max?: number }> = {
  ok: { status_code_min: 200, status_code_max: 399 },
  failed: { status_code_min: 400 },
  "4xx": { status_code_min: 400, status_code_max: 499 },
  "5xx": { status_code_min: 500 },
};

const KINDS: Record<CallKind, { background?: boolean; service_tier?: string }> = {
  background: { background: true },
  flex: { service_tier: "flex" },
  default: { background: false, service_tier: "default" },
};

async function page(narrowing: Narrowing, cursor: string | null, limit: number, signal?: AbortSignal) {
  const hours = HOURS[narrowing.range];
  return api.get("/admin/api/v1/requests", {
    query: {
      limit,
      cursor,
      model: narrowing.model ?? null,
      uri_pattern: narrowing.path ?? null,
      status: narrowing.status ?? null,
      ...(narrowing.outcome ? STATUSES[narrowing.outcome] : {}),
      ...(narrowing.kind ? KINDS[narrowing.kind] : {}),
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

/** `narrowing` is the same object as long as nothing of it changes. */
export function useFeed(narrowing: Narrowing, live: boolean) {
  const client = useQueryClient();
  const [loading, setLoading] = useState(false);
  const key = useMemo(() => ["requests", "feed", narrowing], [narrowing]);
  const query = useQuery({
    queryKey: key,
    queryFn: async ({ signal }): Promise<Feed> => {
      const head = await page(narrowing, null, PAGE, signal);
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
      const found = await page(narrowing, next, PAGE);
      client.setQueryData<Feed>(key, (feed) => feed && extended(feed, found));
    } finally {
      setLoading(false);
    }
  }, [client, key, loading, narrowing, next]);
  return { query, older, loadingOlder: loading };
}

/** Under which everything of a call is known. */
export const requestKey = (id: string) => ["requests", "one", id] as const;

export const requestQuery = (id: string) =>
  queryOptions({
    queryKey: requestKey(id),
    queryFn: ({ signal }) => api.get("/admin/api/v1/requests/{request_id}", { path: { request_id: id }, signal }),
    // What has ended does not change; what runs is looked at again.
    refetchInterval: ({ state: { data } }) => (data?.status === "in_progress" || data?.status === "queued" ? EVERY : false),
  });
