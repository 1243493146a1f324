/** Who is signed in. The server keeps the session in a cookie; here lives only what it answered. */
import { type QueryClient, queryOptions, useQueryClient, useSuspenseQuery } from "@tanstack/react-query";
import { api, ApiError } from "@/api/client";
import type { User } from "@/api/types";
import { can, type Permission } from "./permissions";
import { keepSecret } from "./secrets";

/** Whether signing in is on, and whether the browser has a session to show. */
export const loginState = queryOptions({
  queryKey: ["login-state"],
  queryFn: ({ signal }) => api.get("/authentication/login", { signal }),
});

export const whoami = queryOptions({
  queryKey: ["whoami"],
  queryFn: async ({ signal, client, queryKey }): Promise<User | null> => {
    const known = client.getQueryData(queryKey);
    if (!known) {
      // Who has no session is not asked for: the refusal would stand in the browser's console as an error.
      const state = await client.query({ ...loginState, staleTime: 0 });
      if (state.enabled && !state.session) return null;
    }
    try {
      return await api.get("/admin/api/v1/users/current", { query: { include: "organizations" }, signal });
    } catch (error) {
      // For who was signed in it is the end of a session, which the cache tells the page that is open.
      if (!known && error instanceof ApiError && error.status === 401) return null;
      throw error;
    }
  },
  staleTime: 60_000,
});

/** The account that is signed in; only for pages behind sign-in. */
export function useMe(): User {
  const { data } = useSuspenseQuery(whoami);
  if (data === null) throw new ApiError(401, "You are not signed in.");
  return data;
}

/** The account for which this session acts: one's own, or an organization's. */
export interface Acting {
  id: string;
  /** Null for one's own account. */
  organization: { id: string; name: string } | null;
  /** Whether its money and its calls are one's to see. */
  leads: boolean;
}

export function useActing(): Acting {
  return actingFor(useMe());
}

export function actingFor(me: Pick<User, "id" | "organizations" | "active_organization_id">): Acting {
  const organization = me.organizations?.find((each) => each.id === me.active_organization_id);
  if (!organization) return { id: me.id, organization: null, leads: true };
  return { id: organization.id, organization, leads: organization.role !== "member" };
}

/** Acts for an organization from now on, or with null for oneself. */
export function useAct(): (organization: string | null) => Promise<void> {
  const client = useQueryClient();
  return async (organization) => {
    await api.post("/admin/api/v1/session/organization", { body: { organization_id: organization } });
    keepSecret(null);
    await client.query({ ...whoami, staleTime: 0 });
    // What is shown is the other account's.
    const mine = new Set<unknown>([whoami.queryKey[0], loginState.queryKey[0]]);
    await client.resetQueries({ predicate: (query) => !mine.has(query.queryKey[0]) });
  };
}

export function useCan(permission: Permission): boolean {
  return can(useMe(), permission);
}

/** Ends the session; `leave` goes to a page that needs none, and then everything that was shown is forgotten. */
export function useSignOut(leave: () => Promise<void>): () => Promise<void> {
  const client = useQueryClient();
  return async () => {
    await api.post("/authentication/logout");
    await leave();
    forget(client);
  };
}

/** Nothing of one person's session may be shown to the next one. */
export function forget(client: QueryClient): void {
  keepSecret(null);
  client.clear();
  client.setQueryData(whoami.queryKey, null);
}
