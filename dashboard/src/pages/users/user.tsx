/** One account: its roles, its groups, its keys, its credits. */
import { keepPreviousData, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { useState } from "react";
import { api } from "@/api/client";
import { groupsQuery, keysQuery, userQuery } from "@/api/queries";
import { EVERYONE, type User } from "@/api/types";
import { Membership } from "@/pages/groups/membership";
import { CreditsTab } from "@/pages/costs/credits-tab";
import { KeyTable } from "@/pages/keys/key-table";
import { NewKeyDialog } from "@/pages/keys/new-key";
import { ROLES, type Role } from "@/session/permissions";
import { useCan, useMe } from "@/session/session";
import { ago } from "@/text/format";
import { Button } from "@/ui/button";
import { Confirm } from "@/ui/dialog";
import { Form } from "@/ui/field";
import { Badge, Card, Page, TabPanel, Tabs } from "@/ui/layout";
import { Bones, Empty, ErrorNote, Failed, NoPermission } from "@/ui/state";
import { useTitle } from "@/ui/title";
import { toast } from "@/ui/toast";
import { RoleChoice } from "./roles";

const route = getRouteApi("/shell/users/$userId");

export function UserPage() {
  return useCan("users.read") ? <Loaded /> : <NoPermission />;
}

function Loaded() {
  const { userId } = route.useParams();
  const query = useQuery(userQuery(userId));
  useTitle(query.data?.email ?? "User");
  if (query.isError) return <Failed error={query.error} retry={() => void query.refetch()} />;
  if (!query.data) return <Bones />;
  return <Body key={userId} user={query.data} />;
}

function Body({ user }: { user: User }) {
  const me = useMe();
  const manager = useCan("users.manage");
  const seesCredits = useCan("credits.manage");
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const client = useQueryClient();
  const [deleting, setDeleting] = useState(false);
  const remove = async () => {
    await api.delete("/admin/api/v1/users/{user_id}", { path: { user_id: user.id } });
    toast.done(`${user.email} is deleted.`);
    await navigate({ to: "/users" });
    await Promise.all(["users", "groups"].map((name) => client.invalidateQueries({ queryKey: [name] })));
  };
  const tabs = [
    { id: "roles", label: "Roles", open: true },
    { id: "groups", label: "Groups", open: manager },
    { id: "keys", label: "Keys", open: manager },
    { id: "credits", label: "Credits", open: seesCredits },
  ] as const;
  const open = tabs.filter((each) => each.open);
  const tab = open.find((each) => each.id === search.tab)?.id ?? "roles";
  return (
    <Page
      title={user.display_name ?? user.email}
      back={{ to: "/users", label: "Users" }}
      badge={user.is_admin && <Badge tone="accent">Administrator</Badge>}
      description={`${user.display_name ? `${user.email}, ` : ""}last signed in: ${ago(user.last_login)}`}
      actions={
        manager && user.id !== me.id && (
          <Button look="warning" icon="trash" onClick={() => setDeleting(true)}>
            Delete user
          </Button>
        )
      }
    >
      <Tabs label="Views of the user" className="mb-5" tabs={open} current={tab} onSelect={(id) => void navigate({ search: { tab: id }, replace: true })} />
      <TabPanel tab={tab}>
        {tab === "roles" && <RolesTab user={user} locked={!manager} />}
        {tab === "groups" && <GroupsTab user={user} />}
        {tab === "keys" && <KeysTab user={user} own={user.id === me.id} />}
        {tab === "credits" && <CreditsTab user={user} />}
      </TabPanel>
      <Confirm open={deleting} onClose={() => setDeleting(false)} title={`Delete “${user.email}”?`} verb="Delete user" act={remove}>
        The account can sign in no more, and its keys are refused from now on.
      </Confirm>
    </Page>
  );
}

function RolesTab({ user, locked }: { user: User; locked: boolean }) {
  const client = useQueryClient();
  const [roles, setRoles] = useState<readonly Role[]>(() => ROLES.map((role) => role.name).filter((name) => user.roles.includes(name)));
  const save = useMutation({
    mutationFn: () => api.patch("/admin/api/v1/users/{user_id}", { path: { user_id: user.id }, body: { roles: [...roles] } }),
    onSuccess: async () => {
      await Promise.all(["users", "whoami"].map((name) => client.invalidateQueries({ queryKey: [name] })));
      toast.done("Roles saved.");
    },
  });
  const same = roles.length === user.roles.length && roles.every((role) => user.roles.includes(role));
  return (
    <Card>
      <Form className="max-w-2xl space-y-4 p-5" onSubmit={() => save.mutate()}>
        <RoleChoice roles={roles} onChange={setRoles} disabled={locked} />
        {save.error && <ErrorNote error={save.error} />}
        {!locked && (
          <Button look="solid" type="submit" busy={save.isPending} disabled={same}>
            Save roles
          </Button>
        )}
      </Form>
    </Card>
  );
}

function GroupsTab({ user }: { user: User }) {
  const client = useQueryClient();
  const [text, setText] = useState("");
  const groups = useQuery({ ...groupsQuery({ search: text || undefined }), placeholderData: keepPreviousData });
  const own = useQuery({
    queryKey: ["users", "groups", user.id],
    queryFn: ({ signal }) => api.get("/admin/api/v1/users/{user_id}/groups", { path: { user_id: user.id }, signal }),
  });
  const change = useMutation({
    mutationFn: ({ group, on }: { group: string; on: boolean }) => {
      const path = { user_id: user.id, group_id: group };
      return on ? api.post("/admin/api/v1/users/{user_id}/groups/{group_id}", { path }) : api.delete("/admin/api/v1/users/{user_id}/groups/{group_id}", { path });
    },
    onSuccess: () => Promise.all(["users", "groups"].map((name) => client.invalidateQueries({ queryKey: [name] }))),
    onError: toast.failed,
  });
  if (own.isError) return <Failed error={own.error} retry={() => void own.refetch()} />;
  if (!own.data) return <Bones rows={3} />;
  return (
    <Card>
      <Membership
        what="groups"
        search="Search groups"
        total={(groups.data?.total_count ?? 1) - 1}
        text={text}
        onText={setText}
        inside={new Set(own.data.map((group) => group.id))}
        all={groups.data?.data.filter((group) => group.id !== EVERYONE).map((group) => ({ id: group.id, title: group.name, hint: group.description ?? "" }))}
        busy={change.isPending ? change.variables.group : null}
        onChange={(group, on) => change.mutate({ group, on })}
        none={<Empty icon="groups" title="Only Everyone so far">Every account is in the group Everyone. Make further groups under Groups.</Empty>}
      />
    </Card>
  );
}

function KeysTab({ user, own }: { user: User; own: boolean }) {
  const keys = useQuery(keysQuery(user.id));
  const [creating, setCreating] = useState(false);
  const create = (
    <Button icon="plus" onClick={() => setCreating(true)}>
      Create key
    </Button>
  );
  return (
    <Card title="Keys" action={create} className="overflow-hidden">
      {keys.isError ? (
        <Failed error={keys.error} retry={() => void keys.refetch()} />
      ) : !keys.data ? (
        <Bones rows={3} />
      ) : keys.data.data.length > 0 ? (
        <KeyTable keys={keys.data.data} owner={user.id} order="-created_at" />
      ) : (
        <Empty icon="keys" title="No keys">
          A key calls models in the name of {user.email}.
        </Empty>
      )}
      <NewKeyDialog open={creating} onClose={() => setCreating(false)} owner={user.id} own={own} forWhom={user.email} />
    </Card>
  );
}
