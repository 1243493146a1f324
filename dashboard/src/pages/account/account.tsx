/** One's own account: the name, the password, what one may do. */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { api } from "@/api/client";
import { roleLabel } from "@/session/permissions";
import { useMe, whoami } from "@/session/session";
import { day } from "@/text/format";
import { Button } from "@/ui/button";
import { Form, TextField } from "@/ui/field";
import { Badge, Card, Facts, Page } from "@/ui/layout";
import { ErrorNote } from "@/ui/state";
import { useTitle } from "@/ui/title";
import { toast } from "@/ui/toast";

export function AccountPage() {
  useTitle("Account");
  const me = useMe();
  const groups = useQuery({ queryKey: ["users", "groups", "own"], queryFn: ({ signal }) => api.get("/admin/api/v1/users/current/groups", { signal }) });
  return (
    <Page title="Account" description={me.email}>
      <div className="grid grid-cols-1 items-start gap-5 xl:grid-cols-2">
        <Profile />
        {me.auth_source === "native" && <Password />}
        <Card title="What you may do" className="xl:col-span-2">
          <div className="p-5">
            <Facts
              facts={[
                [
                  "Roles",
                  <span key="roles" className="flex flex-wrap gap-1">
                    {me.is_admin && <Badge tone="accent">Administrator</Badge>}
                    {me.roles.map((role) => (
                      <Badge key={role}>{roleLabel(role)}</Badge>
                    ))}
                  </span>,
                ],
                ["Groups", groups.data?.map((group) => group.name).join(", ") ?? "…"],
                ["Member since", day(me.created_at)],
              ]}
            />
          </div>
        </Card>
      </div>
    </Page>
  );
}

function Profile() {
  const me = useMe();
  const client = useQueryClient();
  const [name, setName] = useState(me.display_name ?? "");
  const save = useMutation({
    mutationFn: () => api.patch("/admin/api/v1/users/current", { body: { display_name: name || null } }),
    onSuccess: (user) => {
      client.setQueryData(whoami.queryKey, (known) => ({ ...known, ...user }));
      toast.done("Your name is saved.");
    },
  });
  return (
    <Card title="Profile">
      <Form className="space-y-4 p-5" onSubmit={() => save.mutate()}>
        <TextField label="Name" autoComplete="name" value={name} onChange={(event) => setName(event.target.value)} />
        <TextField label="Email" value={me.email} disabled />
        {save.error && <ErrorNote error={save.error} />}
        <Button look="solid" type="submit" busy={save.isPending} disabled={name === (me.display_name ?? "")}>
          Save name
        </Button>
      </Form>
    </Card>
  );
}

function Password() {
  const [current, setCurrent] = useState("");
  const [next, setNext] = useState("");
  const change = useMutation({
    mutationFn: () => api.post("/authentication/password-change", { body: { current_password: current, new_password: next } }),
    onSuccess: () => {
      setCurrent("");
      setNext("");
      toast.done("Your password is changed. Other sessions have ended.");
    },
    meta: { keepsSession: true },
  });
  return (
    <Card title="Password">
      <Form className="space-y-4 p-5" onSubmit={() => change.mutate()}>
        <TextField label="Current password" type="password" autoComplete="current-password" required value={current} onChange={(event) => setCurrent(event.target.value)} />
        <TextField label="New password" type="password" autoComplete="new-password" required hint="At least 8 characters. Every other session of yours ends." value={next} onChange={(event) => setNext(event.target.value)} />
        {change.error && <ErrorNote error={change.error} />}
        <Button look="solid" type="submit" busy={change.isPending} disabled={!current || !next}>
          Change password
        </Button>
      </Form>
    </Card>
  );
}
