/** The people, and the roles that they have. */
import { keepPreviousData, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { createColumnHelper, type ColumnDef } from "@tanstack/react-table";
import { getRouteApi, Link } from "@tanstack/react-router";
import { useState } from "react";
import { api } from "@/api/client";
import { usersQuery } from "@/api/queries";
import type { User } from "@/api/types";
import { roleLabel, type Role } from "@/session/permissions";
import { useCan } from "@/session/session";
import { ago, initials } from "@/text/format";
import { Amount } from "@/ui/amount";
import { Button } from "@/ui/button";
import { Dialog } from "@/ui/dialog";
import { Form, SearchBox, TextField } from "@/ui/field";
import { Badge, Card, Page } from "@/ui/layout";
import { Bones, Empty, ErrorNote, Failed, NoPermission, Note } from "@/ui/state";
import { DataTable, Pager } from "@/ui/table";
import { useTitle } from "@/ui/title";
import { toast } from "@/ui/toast";
import { RoleChoice } from "./roles";

const route = getRouteApi("/shell/users");
const SIZE = 25;

export function UsersPage() {
  useTitle("Users");
  return useCan("users.read") ? <List /> : <NoPermission />;
}

function List() {
  const { q, page = 1, create } = route.useSearch();
  const navigate = route.useNavigate();
  const manager = useCan("users.manage");
  const seesCredits = useCan("credits.manage");
  const users = useQuery({ ...usersQuery({ search: q, skip: (page - 1) * SIZE, limit: SIZE }), placeholderData: keepPreviousData });
  const creating = (open: boolean) => void navigate({ search: (now) => ({ ...now, create: open || undefined }) });
  const rows = users.data?.data;
  return (
    <Page
      title="Users"
      description="Accounts and what each may do."
      actions={
        manager && (
          <Button look="solid" icon="plus" onClick={() => creating(true)}>
            Create user
          </Button>
        )
      }
    >
      <SearchBox label="Search users" className="mb-4 sm:w-72" value={q ?? ""} onSearch={(wanted) => void navigate({ search: { q: wanted || undefined }, replace: true })} />
      <Card className="overflow-hidden">
        {rows ? (
          rows.length > 0 ? (
            <>
              <DataTable label="Users" rows={rows} columns={seesCredits ? WITH_BALANCE : COLUMNS} keyOf={(user) => user.id} onOpen={(user) => void navigate({ to: "/users/$userId", params: { userId: user.id } })} />
              <Pager page={page} size={SIZE} total={users.data?.total_count ?? 0} onPage={(next) => void navigate({ search: (now) => ({ ...now, page: next > 1 ? next : undefined }) })} />
            </>
          ) : (
            <Empty icon="search" title="Nobody found">No account is called “{q}”.</Empty>
          )
        ) : users.isError ? (
          <Failed error={users.error} retry={() => void users.refetch()} />
        ) : (
          <Bones />
        )}
      </Card>
      {create && manager && <NewUser onClose={() => creating(false)} />}
    </Page>
  );
}

const column = createColumnHelper<User>();

const COLUMNS = [
  column.accessor("email", {
    header: "Account",
    meta: { className: "max-w-0 w-[44%] max-sm:w-full" },
    cell: ({ row: { original: user } }) => {
      const name = user.display_name ?? user.username;
      return (
        <div className="flex min-w-0 items-center gap-3">
          <span className="flex size-8 shrink-0 items-center justify-center rounded-full bg-accent-soft text-[0.88rem] font-semibold text-accent">{initials(name)}</span>
          <div className="min-w-0">
            <Link to="/users/$userId" params={{ userId: user.id }} className="block truncate rounded font-medium hover:text-accent">
              {name}
            </Link>
            {name !== user.email && <span className="block truncate text-[0.9rem] text-quiet">{user.email}</span>}
            <span className="mt-1 block sm:hidden">
              <Roles user={user} />
            </span>
            {user.exact_credit_balance !== undefined && (
              <span className="mt-1 block text-[0.9rem] text-quiet sm:hidden">
                Balance <Balance user={user} />
              </span>
            )}
          </div>
        </div>
      );
    },
  }),
  column.display({ id: "roles", header: "Roles", meta: { from: "sm" }, cell: ({ row }) => <Roles user={row.original} /> }),
  column.display({
    id: "groups",
    header: "Groups",
    meta: { from: "lg" },
    cell: ({ row }) => <span className="text-quiet">{row.original.groups?.map((group) => group.name).join(", ")}</span>,
  }),
  column.accessor("last_login", { header: "Last sign-in", meta: { from: "md", numeric: true }, cell: ({ getValue }) => <span className="text-quiet">{ago(getValue())}</span> }),
] as ColumnDef<User>[];

const WITH_BALANCE = [
  ...COLUMNS,
  column.accessor("exact_credit_balance", {
    header: "Balance",
    meta: { from: "sm", numeric: true },
    cell: ({ row: { original: user } }) => <Balance user={user} />,
  }),
] as ColumnDef<User>[];

function Balance({ user }: { user: User }) {
  return (
    <span className="inline-flex items-center gap-2">
      {user.balance_is_low && <Badge tone="warn">Low</Badge>}
      <Amount of={user.exact_credit_balance ?? "0"} />
    </span>
  );
}

function Roles({ user }: { user: User }) {
  const roles = user.roles.filter((role) => role !== "StandardUser");
  return (
    <span className="flex flex-wrap gap-1">
      {user.is_admin && <Badge tone="accent">Administrator</Badge>}
      {roles.map((role) => (
        <Badge key={role}>{roleLabel(role)}</Badge>
      ))}
      {!user.is_admin && roles.length === 0 && <span className="text-quiet">Standard user</span>}
    </span>
  );
}

function NewUser({ onClose }: { onClose: () => void }) {
  const client = useQueryClient();
  const navigate = route.useNavigate();
  const [name, setName] = useState("");
  const [email, setEmail] = useState("");
  const [roles, setRoles] = useState<readonly Role[]>(["StandardUser"]);
  const create = useMutation({
    mutationFn: () => api.post("/admin/api/v1/users", { body: { username: email, email, display_name: name || null, roles: [...roles] } }),
    onSuccess: async (user) => {
      await client.invalidateQueries({ queryKey: ["users"] });
      toast.done(`${user.email} is created.`);
      await navigate({ to: "/users/$userId", params: { userId: user.id } });
    },
  });
  return (
    <Dialog
      open
      onClose={onClose}
      title="Create a user"
      footer={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button look="solid" type="submit" form="new-user" busy={create.isPending}>
            Create user
          </Button>
        </>
      }
    >
      <Form id="new-user" className="space-y-4" onSubmit={() => create.mutate()}>
        <TextField label="Email" type="email" required autoFocus value={email} onChange={(event) => setEmail(event.target.value)} />
        <TextField label="Name" optional value={name} onChange={(event) => setName(event.target.value)} />
        <RoleChoice roles={roles} onChange={setRoles} />
        <Note tone="info">The account has no password. Give it one on the server with “dwctl user password”, or create keys for it here.</Note>
        {create.error && <ErrorNote error={create.error} />}
      </Form>
    </Dialog>
  );
}
