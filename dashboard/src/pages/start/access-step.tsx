import { useMutation, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { api } from "@/api/client";
import { EVERYONE, type Model } from "@/api/types";
import { plural } from "@/text/format";
import { Button } from "@/ui/button";
import { ErrorNote, Note } from "@/ui/state";
import { toast } from "@/ui/toast";

/** The models that nobody may call yet, and the short way to open them. */
export function AccessStep({ closed, any }: { closed: readonly Model[]; any: boolean }) {
  const client = useQueryClient();
  const open = useMutation({
    mutationFn: (models: readonly Model[]) =>
      Promise.all(models.map((model) => api.post("/admin/api/v1/groups/{group_id}/models/{model_id}", { path: { group_id: EVERYONE, model_id: model.id } }))),
    onSuccess: async (_, models) => {
      await Promise.all([client.invalidateQueries({ queryKey: ["models"] }), client.invalidateQueries({ queryKey: ["groups"] })]);
      toast.done(`${plural(models.length, "model")} opened to everyone.`);
    },
  });
  if (!any) return <Note tone="info">There are no models yet. Connect a server first.</Note>;
  return (
    <div>
      <p className="mb-4 max-w-xl text-quiet">
        A model may be called by the groups that it is open to. The group Everyone holds all accounts; groups of your own narrow it down.
      </p>
      {closed.length > 0 && (
        <ul className="mb-4 max-h-64 divide-y divide-line overflow-y-auto rounded-lg border border-line">
          {closed.map((model) => (
            <li key={model.id} className="flex items-center justify-between gap-3 py-1.5 pr-2 pl-3.5">
              <span className="min-w-0 font-mono text-[0.92rem] [overflow-wrap:anywhere]">{model.alias}</span>
              <Button size="sm" look="ghost" aria-label={`Open to everyone: ${model.alias}`} onClick={() => open.mutate([model])}>
                Open to everyone
              </Button>
            </li>
          ))}
        </ul>
      )}
      {open.error && <ErrorNote error={open.error} className="mb-4" />}
      <div className="flex flex-wrap gap-2">
        {closed.length > 0 && (
          <Button look="solid" busy={open.isPending} onClick={() => open.mutate(closed)}>
            Open all to everyone
          </Button>
        )}
        <Button asChild>
          <Link to="/groups">Manage groups</Link>
        </Button>
      </div>
    </div>
  );
}
