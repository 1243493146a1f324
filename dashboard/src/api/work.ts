/** Files and batches: routes of the AI API that a session opens too. Their shapes are OpenAI's, with the contract's fields. */
import { queryOptions } from "@tanstack/react-query";
import { jsonLines } from "@/text/jsonl";
import { Pace } from "@/text/pace";
import { api, readText, send } from "./client";

export const FILES = "/ai/v1/files";
const BATCHES = "/ai/v1/batches";
/** How many a page of a list has. */
export const PAGE = 25;

export type BatchStatus = "validating" | "failed" | "in_progress" | "completed" | "cancelling" | "cancelled";

/** Moments are seconds since 1970; what has not happened is null. */
export interface Batch {
  id: string;
  endpoint: string;
  errors: { data: { code: string | null; message: string; line: number | null }[] } | null;
  input_file_id: string | null;
  completion_window: string;
  status: BatchStatus;
  output_file_id: string;
  error_file_id: string;
  created_at: number;
  in_progress_at: number | null;
  expires_at: number;
  completed_at: number | null;
  failed_at: number | null;
  expired_at: number | null;
  cancelling_at: number | null;
  cancelled_at: number | null;
  request_counts: { total: number; completed: number; failed: number };
  metadata: Record<string, string>;
  usage: {
    input_tokens: number;
    input_tokens_details: { cached_tokens: number };
    output_tokens: number;
    output_tokens_details: { reasoning_tokens: number };
    total_tokens: number;
  };
  analytics?: Analytics;
  dwext: { source: string };
}

export interface Analytics {
  total_requests: number;
  avg_duration_ms: number | null;
  avg_ttfb_ms: number | null;
  total_cost: string;
}

export interface StoredFile {
  id: string;
  bytes: number;
  created_at: number;
  filename: string;
  purpose: string;
  expires_at: number | null;
  created_by_email: string | null;
}

export interface Estimate {
  total_requests: number;
  total_estimated_input_tokens: number;
  total_estimated_output_tokens: number;
  total_estimated_cost: string;
  models: { model: string; request_count: number; estimated_cost: string }[];
}

/** One line of a batch and what has become of it. */
export interface Line {
  id: string | null;
  custom_id: string | null;
  model: string;
  input_body: unknown;
  response_body: unknown;
  error: string | null;
  status: LineStatus;
}
export type LineStatus = "pending" | "in_progress" | "completed" | "failed" | "canceled";

export interface List<T> {
  data: T[];
  last_id: string | null;
  has_more: boolean;
}

export interface BatchesQuery {
  after?: string | undefined;
  search?: string | undefined;
  status?: string | undefined;
  endpoint?: string | undefined;
  model?: string | undefined;
  member_id?: string | undefined;
  created_after?: string | undefined;
  created_before?: string | undefined;
}

export interface FilesQuery {
  after?: string | undefined;
  search?: string | undefined;
  purpose?: string | undefined;
  member_id?: string | undefined;
  limit?: number;
}

export function isOver({ status }: Batch): boolean {
  return status === "completed" || status === "failed" || status === "cancelled";
}

/** What this installation allows; without `batches` there are none. */
export const configQuery = queryOptions({
  queryKey: ["config"],
  queryFn: ({ signal }) => api.get("/admin/api/v1/config", { signal }),
  staleTime: Infinity,
});

/** `pace` lives as long as the page: what stands still is asked for ever more rarely. */
export const batchesQuery = (query: BatchesQuery, pace: Pace) =>
  queryOptions({
    queryKey: ["batches", "list", query],
    queryFn: ({ signal }) => send<List<Batch>>("GET", BATCHES, { query: { limit: PAGE, include: "analytics", ...query }, signal }),
    // New ones may come at any time, so a list never rests.
    refetchInterval: ({ state }) => pace.next(state.data, state.dataUpdatedAt + state.errorUpdatedAt),
  });

export const batchQuery = (id: string, pace: Pace) =>
  queryOptions({
    queryKey: ["batches", "one", id],
    queryFn: ({ signal }) => send<Batch>("GET", `${BATCHES}/{id}`, { path: { id }, signal }),
    refetchInterval: ({ state }) =>
      state.data && isOver(state.data) ? false : pace.next(state.data, state.dataUpdatedAt + state.errorUpdatedAt),
  });

/** Asked for again whenever the batch has moved. */
export const analyticsQuery = ({ id, request_counts: { completed, failed }, usage }: Batch) =>
  queryOptions({
    queryKey: ["batches", "analytics", id, completed, failed, usage.total_tokens],
    queryFn: ({ signal }) => send<Analytics>("GET", `${BATCHES}/{id}/analytics`, { path: { id }, signal }),
  });

export interface LinesQuery {
  status?: LineStatus | undefined;
  search?: string | undefined;
  skip: number;
}

/** One more than a page has, which tells whether there is a next one. */
export const linesQuery = ({ id, status, request_counts: { completed, failed } }: Batch, query: LinesQuery) =>
  queryOptions({
    queryKey: ["batches", "lines", id, query, status, completed, failed],
    queryFn: async ({ signal }) => jsonLines(await readText(`${BATCHES}/{id}/results`, { path: { id }, query: { ...query, limit: PAGE + 1 }, signal })) as Line[],
  });

export const resultsAddress = (id: string) => `${BATCHES}/${encodeURIComponent(id)}/results`;

export interface NewBatch {
  input_file_id: string;
  endpoint: string;
  completion_window: string;
  metadata: Record<string, string>;
}

/** `once` names this one wish: sent again, it makes no second batch. */
export const createBatch = (body: NewBatch, once: string) => send<Batch>("POST", BATCHES, { body, headers: { "idempotency-key": once } });
export const cancelBatch = (id: string) => send<Batch>("POST", `${BATCHES}/{id}/cancel`, { path: { id } });
export const retryBatch = (id: string) => send<Batch>("POST", `${BATCHES}/{id}/retry`, { path: { id } });
export const deleteBatch = (id: string) => send<undefined>("DELETE", `${BATCHES}/{id}`, { path: { id } });

export const filesQuery = (query: FilesQuery) =>
  queryOptions({
    queryKey: ["files", "list", query],
    queryFn: ({ signal }) => send<List<StoredFile>>("GET", FILES, { query: { limit: PAGE, ...query }, signal }),
  });

export const fileQuery = (id: string) =>
  queryOptions({
    queryKey: ["files", "one", id],
    queryFn: ({ signal }) => send<StoredFile>("GET", `${FILES}/{id}`, { path: { id }, signal }),
  });

/** The first lines of a file of requests, as text. */
export const headQuery = (id: string, lines: number) =>
  queryOptions({
    queryKey: ["files", "head", id, lines],
    queryFn: ({ signal }) => readText(`${FILES}/{id}/content`, { path: { id }, query: { limit: lines }, signal }),
  });

export const estimateQuery = (id: string, window: string) =>
  queryOptions({
    queryKey: ["files", "estimate", id, window],
    queryFn: ({ signal }) => send<Estimate>("GET", `${FILES}/{id}/cost-estimate`, { path: { id }, query: { completion_window: window }, signal }),
  });

export const contentAddress = (id: string) => `${FILES}/${encodeURIComponent(id)}/content`;
export const deleteFile = (id: string) => send<undefined>("DELETE", `${FILES}/{id}`, { path: { id } });
