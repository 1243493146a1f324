/** Every address of the dashboard. What a page is narrowed to stands in its query, so that it can be shared. */
import type { QueryClient } from "@tanstack/react-query";
import { createRootRouteWithContext, createRoute, createRouter, lazyRouteComponent, Outlet, redirect } from "@tanstack/react-router";
import { whoami } from "./session/session";
import { Shell } from "./shell/shell";
import { NoSuchPage, PageBroke } from "./shell/trouble";
import { date, flag, number, oneOf, reads, text } from "./text/search";
import { Bones } from "./ui/state";

interface Context {
  client: QueryClient;
}

const root = createRootRouteWithContext<Context>()({
  component: Outlet,
  notFoundComponent: NoSuchPage,
  errorComponent: PageBroke,
});

const signIn = createRoute({
  getParentRoute: () => root,
  path: "/sign-in",
  validateSearch: reads({ to: text, expired: flag }),
  component: lazyRouteComponent(() => import("./pages/sign-in/sign-in"), "SignInPage"),
});

const shell = createRoute({
  getParentRoute: () => root,
  id: "shell",
  beforeLoad: async ({ context, location }) => {
    const me = await context.client.query({ ...whoami, staleTime: "static" });
    if (me === null) {
      const to = location.href === "/" ? undefined : location.href;
      redirect({ to: "/sign-in", search: { to }, throw: true });
    }
  },
  component: Shell,
});

const start = createRoute({
  getParentRoute: () => shell,
  path: "/",
  component: lazyRouteComponent(() => import("./pages/start/start"), "StartPage"),
});

export const RANGES = ["1h", "24h", "7d", "30d", "all"] as const;
export const OUTCOMES = ["ok", "failed", "4xx", "5xx"] as const;
export const STANDINGS = ["active", "completed", "failed", "cancelled"] as const;
export const CALL_KINDS = ["background", "flex", "default"] as const;
export const CALL_TABS = ["conversation", "items", "timeline", "details", "json"] as const;
export const BATCH_FILTERS = ["in_progress", "completed", "failed", "cancelled", "expired"] as const;
export const LINE_FILTERS = ["pending", "in_progress", "completed", "failed", "canceled"] as const;

const requests = createRoute({
  getParentRoute: () => shell,
  path: "/requests",
  validateSearch: reads({
    range: oneOf(RANGES),
    outcome: oneOf(OUTCOMES),
    model: text,
    open: text,
    tab: oneOf(CALL_TABS),
  }),
  component: lazyRouteComponent(() => import("./pages/requests/requests"), "RequestsPage"),
});

const since = oneOf(RANGES);

const responses = createRoute({
  getParentRoute: () => shell,
  path: "/responses",
  validateSearch: reads({
    range: since,
    status: oneOf(STANDINGS),
    kind: oneOf(CALL_KINDS),
    model: text,
    open: text,
    tab: oneOf(CALL_TABS),
  }),
  component: lazyRouteComponent(() => import("./pages/responses/responses"), "ResponsesPage"),
});

const batchesSearch = reads({
  q: text,
  status: oneOf(BATCH_FILTERS),
  endpoint: text,
  model: text,
  range: since,
  /** The account of whoever made them. */
  by: text,
  after: text,
  create: flag,
  /** The file that a new one is made of. */
  file: text,
});
export type BatchesSearch = ReturnType<typeof batchesSearch>;

const batches = createRoute({
  getParentRoute: () => shell,
  path: "/batches",
  validateSearch: batchesSearch,
  component: lazyRouteComponent(() => import("./pages/batches/batches"), "BatchesPage"),
});

const batch = createRoute({
  getParentRoute: () => shell,
  path: "/batches/$batchId",
  validateSearch: reads({ status: oneOf(["all", ...LINE_FILTERS] as const), q: text, skip: number }),
  component: lazyRouteComponent(() => import("./pages/batches/batch"), "BatchPage"),
});

const filesSearch = reads({ q: text, purpose: text, by: text, after: text, open: text, upload: flag });
export type FilesSearch = ReturnType<typeof filesSearch>;

const files = createRoute({
  getParentRoute: () => shell,
  path: "/files",
  validateSearch: filesSearch,
  component: lazyRouteComponent(() => import("./pages/files/files"), "FilesPage"),
});

const modelSearch = reads({
  q: text,
  type: oneOf(["CHAT", "EMBEDDINGS", "RERANKER"] as const),
  kind: oneOf(["hosted", "pool"] as const),
  endpoint: text,
  group: text,
  order: text,
  page: number,
  create: flag,
});
export type ModelSearch = ReturnType<typeof modelSearch>;

const models = createRoute({
  getParentRoute: () => shell,
  path: "/models",
  validateSearch: modelSearch,
  component: lazyRouteComponent(() => import("./pages/models/models"), "ModelsPage"),
});

const model = createRoute({
  getParentRoute: () => shell,
  path: "/models/$modelId",
  validateSearch: reads({
    tab: oneOf(["overview", "use", "pool", "prices", "access", "tools", "limits", "settings"] as const),
  }),
  component: lazyRouteComponent(() => import("./pages/models/model"), "ModelPage"),
});

const listSearch = reads({
  q: text,
  order: text,
  page: number,
  create: flag,
});

const keys = createRoute({
  getParentRoute: () => shell,
  path: "/keys",
  validateSearch: listSearch,
  component: lazyRouteComponent(() => import("./pages/keys/keys"), "KeysPage"),
});

export const KINDS = ["usage", "admin_grant", "admin_removal", "purchase"] as const;

const costSearch = reads({
  q: text,
  type: oneOf(KINDS),
  /** An account's id, or `everyone`; absent is one's own. */
  user: text,
  from: date,
  to: date,
  page: number,
});
export type CostSearch = ReturnType<typeof costSearch>;

const costs = createRoute({
  getParentRoute: () => shell,
  path: "/cost-management",
  validateSearch: costSearch,
  component: lazyRouteComponent(() => import("./pages/costs/costs"), "CostsPage"),
});

const endpoints = createRoute({
  getParentRoute: () => shell,
  path: "/endpoints",
  validateSearch: listSearch,
  component: lazyRouteComponent(() => import("./pages/endpoints/endpoints"), "EndpointsPage"),
});

const tools = createRoute({
  getParentRoute: () => shell,
  path: "/tools",
  validateSearch: listSearch,
  component: lazyRouteComponent(() => import("./pages/tools/tools"), "ToolsPage"),
});

const groups = createRoute({
  getParentRoute: () => shell,
  path: "/groups",
  validateSearch: listSearch,
  component: lazyRouteComponent(() => import("./pages/groups/groups"), "GroupsPage"),
});

const group = createRoute({
  getParentRoute: () => shell,
  path: "/groups/$groupId",
  validateSearch: reads({ tab: oneOf(["members", "models", "tools"] as const) }),
  component: lazyRouteComponent(() => import("./pages/groups/group"), "GroupPage"),
});

const users = createRoute({
  getParentRoute: () => shell,
  path: "/users",
  validateSearch: listSearch,
  component: lazyRouteComponent(() => import("./pages/users/users"), "UsersPage"),
});

const user = createRoute({
  getParentRoute: () => shell,
  path: "/users/$userId",
  validateSearch: reads({ tab: oneOf(["roles", "groups", "keys", "credits"] as const) }),
  component: lazyRouteComponent(() => import("./pages/users/user"), "UserPage"),
});

const account = createRoute({
  getParentRoute: () => shell,
  path: "/account",
  component: lazyRouteComponent(() => import("./pages/account/account"), "AccountPage"),
});

const tree = root.addChildren([
  signIn,
  shell.addChildren([start, requests, responses, batches, batch, files, models, model, keys, costs, endpoints, tools, groups, group, users, user, account]),
]);

export function makeRouter(client: QueryClient) {
  return createRouter({
    routeTree: tree,
    context: { client },
    defaultPreload: "intent",
    defaultPendingComponent: Bones,
    defaultPendingMs: 300,
    defaultErrorComponent: PageBroke,
    defaultNotFoundComponent: NoSuchPage,
    scrollRestoration: true,
  });
}

declare module "@tanstack/react-router" {
  interface Register {
    router: ReturnType<typeof makeRouter>;
  }
}
