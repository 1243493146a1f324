/** Groups: who may call which models. */
import { keepPreviousData, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { createColumnHelper, type ColumnDef } from "@tanstack/react-table";
import { getRouteApi, Link } from "@tanstack/react-router";
import { useState } from "react";
import { api } from "@/api/client";
import { groupsQuery } from "@/api/queries";
import { EVERYONE, type Group } from "@/api/types";
import { useCan } from "@/session/session";
import { count, day } from "@/text/format";
import { Button } from "@/ui/button";
import { Dialog } from "@/ui/dialog";
import { Form, SearchBox, TextField } from "@/ui/field";
import { Badge, Card, Page } from "@/ui/layout";
import { Bones, Empty, ErrorNote, Failed, NoPermission } from "@/ui/state";
import { DataTable, Pager } from "@/ui/table";
import { useTitle } from "@/ui/title";
import { toast } from "@/ui/toast";

const route = getRouteApi("/shell/groups");
const SIZE = 25;

export function GroupsPage() {
  useTitle("Groups");
  return useCan("groups.manage") ? <List /> : <NoPermission />;
}

function List() {
  const { q, page = 1, create } = route.useSearch();
  const navigate = route.useNavigate();
  const groups = useQuery({ ...groupsQuery({ search: q, skip: (page - 1) * SIZE, limit: SIZE }), placeholderData: keepPreviousData });
  const creating = (open: boolean) => void navigate({ search: (now) => ({ ...now, create: open || undefined }) });
  const rows = groups.data?.data;
  return (
    <Page
      title="Groups"
      description="A group opens models to its members. Everyone is in the group Everyone."
      actions={
        <Button look="solid" icon="plus" onClick={() => creating(true)}>
          Create group
        </Button>
      }
    >
      <SearchBox label="Search groups" className="mb-4 sm:w-72" value={q ?? ""} onChange={(event) => void navigate({ search: { q: event.target.value || undefined }, replace: true })} />
      <Card className="overflow-hidden">
        {rows ? (
          rows.length > 0 ? (
            <>
              <DataTable label="Groups" rows={rows} columns={COLUMNS} keyOf={(group) => group.id} onOpen={(group) => void navigate({ to: "/groups/$groupId", params: { groupId: group.id } })} />
              <Pager page={page} size={SIZE} total={groups.data?.total_count ?? 0} onPage={(next) => void navigate({ search: (now) => ({ ...now, page: next > 1 ? next : undefined }) })} />
            </>
          ) : (
            <Empty icon="search" title="No group found">No group is called “{q}”.</Empty>
          )
        ) : groups.isError ? (
          <Failed error={groups.error} retry={() => void groups.refetch()} />
        ) : (
          <Bones />
        )}
      </Card>
      {create && <GroupDialog onClose={() => creating(false)} onSaved={(group) => void navigate({ to: "/groups/$groupId", params: { groupId: group.id } })} />}
    </Page>
  );
}

const column = createColumnHelper<Group>();

const COLUMNS = [
  column.accessor("name", {
    header: "Name",
    meta: { className: "max-w-0 w-[50%] max-sm:w-full" },
    cell: ({ row: { original: group } }) => (
      <div className="min-w-0">
        <span className="flex items-center gap-2">
          <Link to="/groups/$groupId" params={{ groupId: group.id }} className="truncate rounded font-medium hover:text-accent">
            {group.name}
          </Link>
          {group.source !== "native" && group.source !== "system" && <Badge>{group.source}</Badge>}
        </span>
        {(group.description ?? group.id === EVERYONE) && <span className="block text-[0.9rem] text-quiet sm:truncate">{group.description ?? "All accounts"}</span>}
      </div>
    ),
  }),
  column.display({ id: "members", header: "Members", meta: { numeric: true }, cell: ({ row: { original: group } }) => (group.id === EVERYONE ? "all" : count(group.users?.length)) }),
  column.display({ id: "models", header: "Models", meta: { numeric: true }, cell: ({ row }) => count(row.original.models?.length) }),
  column.accessor("created_at", { header: "Created", meta: { from: "md", numeric: true }, cell: ({ getValue }) => <span className="text-quiet">{day(getValue())}</span> }),
] as ColumnDef<Group>[];

/** Makes a group, or changes one. */
export function GroupDialog({ group, onClose, onSaved }: { group?: Group; onClose: () => void; onSaved: (group: Group) => void }) {
  const client = useQueryClient();
  const [name, setName] = useState(group?.name ?? "");
  const [description, setDescription] = useState(group?.description ?? "");
  const save = useMutation({
    mutationFn: () => {
      const body = { name, description: description || null };
      return group ? api.patch("/admin/api/v1/groups/{group_id}", { path: { group_id: group.id }, body }) : api.post("/admin/api/v1/groups", { body });
    },
    onSuccess: async (saved) => {
      await client.invalidateQueries({ queryKey: ["groups"] });
      toast.done(`${saved.name} is ${group ? "saved" : "created"}.`);
      onSaved(saved);
    },
  });
  return (
    <Dialog
      open
      onClose={onClose}
      title={group ? "Edit group" : "Create a group"}
      footer={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button look="solid" type="submit" form="group" busy={save.isPending}>
            {group ? "Save group" : "Create group"}
          </Button>
        </>
      }
    >
      <Form id="group" className="space-y-4" onSubmit={() => save.mutate()}>
        <TextField label="Name" required autoFocus placeholder="Such as: research, support" value={name} onChange={(event) => setName(event.target.value)} />
        <TextField label="Description" optional value={description} onChange={(event) => setDescription(event.target.value)} />
        {save.error && <ErrorNote error={save.error} />}
      </Form>
    </Dialog>
  );
}
