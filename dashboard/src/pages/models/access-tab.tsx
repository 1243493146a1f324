import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { groupsQuery } from "@/api/queries";
import { EVERYONE, type Model } from "@/api/types";
import { plural } from "@/text/format";
import { Card } from "@/ui/layout";
import { Switch } from "@/ui/field";
import { Bones, Failed } from "@/ui/state";
import { useAccessChange } from "./changes";

export function AccessTab({ model }: { model: Model }) {
  const groups = useQuery(groupsQuery({}));
  const change = useAccessChange();
  const open = new Set(model.groups?.map((group) => group.id));
  if (groups.isError) return <Failed error={groups.error} retry={() => void groups.refetch()} />;
  return (
    <Card title="Groups that may call it" action={<Link to="/groups" className="rounded text-accent hover:underline">Manage groups</Link>}>
      {groups.data ? (
        <ul className="divide-y divide-line">
          {groups.data.data.map((group) => (
            <li key={group.id} className="px-5 py-3">
              <Switch
                label={group.name}
                hint={group.id === EVERYONE ? "All accounts, now and later" : (group.description ?? plural(group.users?.length ?? 0, "member"))}
                checked={change.isPending && change.variables.group === group.id ? change.variables.open : open.has(group.id)}
                disabled={change.isPending}
                onChange={(on) => change.mutate({ group: group.id, model: model.id, open: on })}
              />
            </li>
          ))}
        </ul>
      ) : (
        <Bones rows={3} />
      )}
    </Card>
  );
}
