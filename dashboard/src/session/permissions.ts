/** What each role may see and do, so that nobody is offered what the server would refuse; the server decides. */
export const ROLES = [
  { name: "StandardUser", label: "Standard user", what: "Sees models, makes keys. Everyone has it." },
  { name: "PlatformManager", label: "Platform manager", what: "Runs models, endpoints, tools, groups, people and credits." },
  { name: "RequestViewer", label: "Request viewer", what: "Reads everyone's requests with their content." },
  { name: "BillingManager", label: "Billing manager", what: "Sees people and their credits, adds and removes them." },
  { name: "BatchAPIUser", label: "Batch user", what: "Uploads files and runs batches." },
  { name: "ConnectionsUser", label: "Connections user", what: "Connects object stores." },
] as const;

export type Role = (typeof ROLES)[number]["name"];

export type Permission =
  | "models.manage"
  | "endpoints.manage"
  | "groups.manage"
  | "tools.manage"
  | "users.read"
  | "users.manage"
  | "requests.all"
  | "credits.manage"
  | "batches.read"
  | "batches.create"
  | "batches.all";

const GRANTED: Record<string, readonly Permission[]> = {
  PlatformManager: ["models.manage", "endpoints.manage", "groups.manage", "tools.manage", "users.read", "users.manage", "credits.manage", "batches.read", "batches.create", "batches.all"],
  RequestViewer: ["requests.all"],
  BillingManager: ["users.read", "credits.manage"],
  BatchAPIUser: ["batches.read", "batches.create"],
  ConnectionsUser: ["batches.read"],
};

/** Whether somebody with these roles may do it. */
export function can(user: { is_admin: boolean; roles: readonly string[] }, permission: Permission): boolean {
  return user.is_admin || user.roles.some((role) => GRANTED[role]?.includes(permission) ?? false);
}

/** `PlatformManager` as people read it. */
export function roleLabel(name: string): string {
  return ROLES.find((role) => role.name === name)?.label ?? name;
}
