/** The pages that the sidebar and the command palette offer. */
import type { LinkProps } from "@tanstack/react-router";
import type { Permission } from "@/session/permissions";
import type { IconName } from "@/ui/icon";

export interface Place {
  to: NonNullable<LinkProps["to"]>;
  label: string;
  icon: IconName;
  needs?: Permission;
  words?: string;
}

export const PLACES: readonly Place[] = [
  { to: "/", label: "Start", icon: "start", words: "home first run checklist" },
  { to: "/requests", label: "Requests", icon: "requests", words: "log calls history" },
  { to: "/responses", label: "Responses", icon: "responses", words: "background flex answers items" },
  { to: "/batches", label: "Batches", icon: "batches", needs: "batches.read", words: "jobs bulk queue" },
  { to: "/files", label: "Files", icon: "files", needs: "batches.read", words: "upload jsonl input output" },
  { to: "/models", label: "Models", icon: "models" },
  { to: "/keys", label: "API keys", icon: "keys", words: "tokens secrets" },
  { to: "/cost-management", label: "Cost management", icon: "credits", words: "billing credits balance transactions spend money" },
];

export const ADMINISTRATION: readonly Place[] = [
  { to: "/endpoints", label: "Endpoints", icon: "endpoints", needs: "endpoints.manage", words: "providers upstream servers" },
  { to: "/tools", label: "Tools", icon: "tools", needs: "tools.manage", words: "tool sources functions calls server" },
  { to: "/groups", label: "Groups", icon: "groups", needs: "groups.manage", words: "access" },
  { to: "/users", label: "Users", icon: "users", needs: "users.read", words: "people accounts" },
];
