/** What pages ask for, under the names by which changes make it stale. */
import { queryOptions } from "@tanstack/react-query";
import { api } from "./client";
import type { paths } from "./schema";
import type { Model, Transaction, User } from "./types";

type ModelsQuery = NonNullable<paths["/admin/api/v1/models"]["get"]["parameters"]["query"]>;
type TransactionsQuery = NonNullable<paths["/admin/api/v1/transactions"]["get"]["parameters"]["query"]>;

export interface ModelPage {
  data: Model[];
  total_count: number;
}

/** The document does not tell what a page of models consists of; this is the one place that does. */
export async function listModels(query: ModelsQuery, signal?: AbortSignal): Promise<ModelPage> {
  const { data, total_count } = await api.get("/admin/api/v1/models", signal ? { query, signal } : { query });
  return { data: data as unknown as Model[], total_count };
}

/** As many as the server gives at once; lists to choose from are no longer than that. */
export const MOST = 100;

export const modelsQuery = (query: ModelsQuery) =>
  queryOptions({ queryKey: ["models", query], queryFn: ({ signal }) => listModels(query, signal) });

/** Every model that the caller may call. */
export const usableModels = modelsQuery({ accessible: true, limit: MOST, sort: "alias", sort_direction: "asc" });

export const modelQuery = (id: string) =>
  queryOptions({
    queryKey: ["models", "one", id],
    queryFn: ({ signal }) =>
      api.get("/admin/api/v1/models/{model_id}", {
        path: { model_id: id },
        query: { include: "groups,endpoints,components,pricing,tariff_history" },
        signal,
      }),
  });

export const endpointsQuery = queryOptions({
  queryKey: ["endpoints"],
  queryFn: ({ signal }) => api.get("/admin/api/v1/endpoints", { signal }),
});

export const toolsQuery = queryOptions({
  queryKey: ["tools", "all"],
  queryFn: ({ signal }) => api.get("/admin/api/v1/tool-sources", { signal }),
});

/** Those that a model or a group has. */
export const toolsOfQuery = (place: "model" | "group", id: string) =>
  queryOptions({
    queryKey: ["tools", place, id],
    queryFn: ({ signal }) =>
      place === "model"
        ? api.get("/admin/api/v1/deployments/{model_id}/tool-sources", { path: { model_id: id }, signal })
        : api.get("/admin/api/v1/groups/{group_id}/tool-sources", { path: { group_id: id }, signal }),
  });

export const groupsQuery = (query: { search?: string | undefined; skip?: number; limit?: number }) =>
  queryOptions({
    queryKey: ["groups", query],
    queryFn: ({ signal }) =>
      api.get("/admin/api/v1/groups", { query: { limit: MOST, ...query, search: query.search ?? null, include: "users,models" }, signal }),
  });

export const usersQuery = (query: { search?: string | undefined; skip?: number; limit?: number }) =>
  queryOptions({
    queryKey: ["users", query],
    queryFn: ({ signal }) =>
      api.get("/admin/api/v1/users", { query: { limit: MOST, ...query, search: query.search ?? null, include: "groups,billing" }, signal }),
  });

export const userQuery = (id: string) =>
  queryOptions({
    queryKey: ["users", "one", id],
    queryFn: ({ signal }) => api.get("/admin/api/v1/users/{user_id}", { path: { user_id: id }, query: { include: "billing" }, signal }),
  });

/** What an account has, a person's or an organization's. */
export type Money = Pick<User, "id" | "email" | "display_name" | "exact_credit_balance" | "exact_low_balance_threshold" | "balance_is_low">;

export const organizationQuery = (id: string) =>
  queryOptions({
    queryKey: ["users", "organization", id],
    queryFn: async ({ signal }): Promise<Money> => {
      const found = await api.get("/admin/api/v1/organizations/{organization_id}", { path: { organization_id: id }, signal });
      const threshold = found.low_balance_threshold ?? null;
      return { ...found, exact_low_balance_threshold: threshold === null ? null : String(threshold) };
    },
  });

/** The caller's own account with its balance, which calls change at any time. */
export const ownAccount = queryOptions({
  queryKey: ["users", "own"],
  queryFn: ({ signal }) => api.get("/admin/api/v1/users/current", { query: { include: "billing" }, signal }),
});

export interface TransactionPage {
  data: Transaction[];
  total_count: number;
  page_start_balance: string;
}

export const transactionsQuery = (query: TransactionsQuery) =>
  queryOptions({
    queryKey: ["transactions", query.all ? "everyone" : (query.user_id ?? "own"), query] as const,
    queryFn: async ({ signal }): Promise<TransactionPage> => {
      const page = await api.get("/admin/api/v1/transactions", { query, signal });
      return { ...page, data: page.data as unknown as Transaction[] };
    },
  });

export const keysQuery = (owner: string) =>
  queryOptions({
    queryKey: ["keys", owner],
    queryFn: ({ signal }) =>
      api.get("/admin/api/v1/users/{user_id}/api-keys", { path: { user_id: owner }, query: { limit: MOST }, signal }),
  });
