/** What pages ask for, under the names by which changes make it stale. */
import { queryOptions } from "@tanstack/react-query";
import { api } from "./client";
import type { paths } from "./schema";
import type { Model } from "./types";

type ModelsQuery = NonNullable<paths["/admin/api/v1/models"]["get"]["parameters"]["query"]>;

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
        query: { include: "groups,endpoints,components" },
        signal,
      }),
  });

export const endpointsQuery = queryOptions({
  queryKey: ["endpoints"],
  queryFn: ({ signal }) => api.get("/admin/api/v1/endpoints", { signal }),
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
      api.get("/admin/api/v1/users", { query: { limit: MOST, ...query, search: query.search ?? null, include: "groups" }, signal }),
  });

export const userQuery = (id: string) =>
  queryOptions({
    queryKey: ["users", "one", id],
    queryFn: ({ signal }) => api.get("/admin/api/v1/users/{user_id}", { path: { user_id: id }, signal }),
  });

export const keysQuery = (owner: string) =>
  queryOptions({
    queryKey: ["keys", owner],
    queryFn: ({ signal }) =>
      api.get("/admin/api/v1/users/{user_id}/api-keys", { path: { user_id: owner }, query: { limit: MOST }, signal }),
  });
