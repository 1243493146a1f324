/** One group: its members and the models that are open to them. */
import { keepPreviousData, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { useState } from "react";
import { api } from "@/api/client";
import { modelsQuery, MOST, usersQuery } from "@/api/queries";
import { EVERYONE, type Group } from "@/api/types";
import { useAccessChange } from "@/pages/models/changes";
import { ToolSwitches } from "@/pages/tools/tool-switches";
import { useCan } from "@/session/session";
import { Button } from "@/ui/button";
import { Confirm } from "@/ui/dialog";
import { Card, Page, TabPanel, Tabs } from "@/ui/layout";
import { Bones, Empty, Failed, NoPermission, Note } from "@/ui/state";
import { useTitle } from "@/ui/title";
import { toast } from "@/ui/toast";
import { GroupDialog } from "./groups";
import { Membership } from "./membership";

const route = getRouteApi("/shell/groups/$groupId");

export function GroupPage() {
  return useCan("groups.manage") ? <Loaded /> : <NoPermission />;
}

function Loaded() {
  const { groupId } = route.useParams();
  const query = useQuery({
    queryKey: ["groups", "one", groupId],
    queryFn: async ({ signal }) => {
      const path = { group_id: groupId };
      const [group, users, models] = await Promise.all([
        api.get("/admin/api/v1/groups/{group_id}", { path, signal }),
        api.get("/admin/api/v1/groups/{group_id}/users", { path, signal }),
        api.get("/admin/api/v1/groups/{group_id}/models", { path, signal }),
      ]);
      return { group, users, models };
    },
  });
  useTitle(query.data?.group.name ?? "Group");
  if (query.isError) return <Failed error={query.error} retry={() => void query.refetch()} />;
  if (!query.data) return <Bones />;
  return <Body key={groupId} {...query.data} />;
}

function Body({ group, users, models }: { group: Group; users: readonly string[]; models: readonly string[] }) {
  const everyone = group.id === EVERYONE;
  const tab = route.useSearch().tab ?? (everyone ? "models" : "members");
  const navigate = route.useNavigate();
  const client = useQueryClient();
  const [doing, setDoing] = useState<"edit" | "delete" | null>(null);
  const access = useAccessChange();
  const member = useMutation({
    mutationFn: ({ user, on }: { user: string; on: boolean }) => {
      const path = { group_id: group.id, user_id: user };
      return on ? api.post("/admin/api/v1/groups/{group_id}/users/{user_id}", { path }) : api.delete("/admin/api/v1/groups/{group_id}/users/{user_id}", { path });
    },
    onSuccess: () => Promise.all(["groups", "users"].map((name) => client.invalidateQueries({ queryKey: [name] }))),
    onError: toast.failed,
  });
  const [text, setText] = useState("");
  const people = useQuery({ ...usersQuery({ search: text || undefined }), placeholderData: keepPreviousData });
  const every = useQuery({ ...modelsQuery({ search: text || null, limit: MOST, sort: "alias", sort_direction: "asc", include: "endpoints,components" }), placeholderData: keepPreviousData });
  const remove = async () => {
    await api.delete("/admin/api/v1/groups/{group_id}", { path: { group_id: group.id } });
    toast.done(`${group.name} is deleted.`);
    await navigate({ to: "/groups" });
    await Promise.all(["groups", "models"].map((name) => client.invalidateQueries({ queryKey: [name] })));
  };
  return (
    <Page
      title={group.name}
      back={{ to: "/groups", label: "Groups" }}
      description={group.description ?? (everyone ? "All accounts are in it, now and later." : undefined)}
      actions={
        !everyone && (
          <>
            <Button icon="edit" onClick={() => setDoing("edit")}>
              Edit
            </Button>
            <Button look="warning" icon="trash" onClick={() => setDoing("delete")}>
              Delete
            </Button>
          </>
        )
      }
    >
      <Tabs
        label="Views of the group"
        className="mb-5"
        tabs={[
          { id: "members", label: "Members", ...(everyone ? {} : { count: users.length }) },
          { id: "models", label: "Models", count: models.length },
          { id: "tools", label: "Tools" },
        ]}
        current={tab}
        onSelect={(id) => {
          setText("");
          void navigate({ search: { tab: id }, replace: true });
        }}
      />
      <TabPanel tab={tab}>
        {tab === "members" && everyone && <Note tone="info">Every account is a member of this group; there is nobody to add.</Note>}
        {tab === "members" && !everyone && (
          <Card>
            <Membership
              what="members"
              search="Search people"
              total={people.data?.total_count ?? 0}
              text={text}
              onText={setText}
              inside={new Set(users)}
              all={people.data?.data.map((user) => ({ id: user.id, title: user.display_name ?? user.username, hint: user.email }))}
              busy={member.isPending ? member.variables.user : null}
              onChange={(user, on) => member.mutate({ user, on })}
              none={<Empty icon="users" title="No accounts yet">Accounts are made under Users.</Empty>}
            />
          </Card>
        )}
        {tab === "models" && (
          <Card>
            <Membership
              what="models"
              search="Search models"
              total={every.data?.total_count ?? 0}
              text={text}
              onText={setText}
              inside={new Set(models)}
              all={every.data?.data.map((model) => ({ id: model.id, title: model.alias, hint: model.is_composite ? "Pool" : (model.endpoint?.name ?? "") }))}
              busy={access.isPending ? access.variables.model : null}
              onChange={(model, open) => access.mutate({ group: group.id, model, open })}
              none={<Empty icon="models" title="No models yet">Models come from endpoints. Connect one first.</Empty>}
            />
          </Card>
        )}
        {tab === "tools" &&
          (everyone ? (
            <Note tone="info">The group of everyone gives nobody a tool. Attach tools to groups of their own.</Note>
          ) : (
            <Card>
              <ToolSwitches place="group" id={group.id} />
            </Card>
          ))}
      </TabPanel>
      {doing === "edit" && <GroupDialog group={group} onClose={() => setDoing(null)} onSaved={() => setDoing(null)} />}
      <Confirm open={doing === "delete"} onClose={() => setDoing(null)} title={`Delete “${group.name}”?`} verb="Delete group" act={remove}>
        Its members lose the models that only this group opened to them.
      </Confirm>
    </Page>
  );
}
