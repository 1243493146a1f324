/** Which tools a model or a group has. A call has those that its model and a group of its account both have. */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { api } from "@/api/client";
import { toolsOfQuery, toolsQuery } from "@/api/queries";
import { Membership } from "@/pages/groups/membership";
import { Button } from "@/ui/button";
import { Bones, Empty, Failed } from "@/ui/state";
import { toast } from "@/ui/toast";

export function ToolSwitches({ place, id }: { place: "model" | "group"; id: string }) {
  const client = useQueryClient();
  const [text, setText] = useState("");
  const every = useQuery(toolsQuery);
  const own = useQuery(toolsOfQuery(place, id));
  const change = useMutation({
    mutationFn: ({ source, on }: { source: string; on: boolean }) => {
      if (place === "model") {
        const path = { model_id: id, source_id: source };
        return on ? api.put("/admin/api/v1/deployments/{model_id}/tool-sources/{source_id}", { path }) : api.delete("/admin/api/v1/deployments/{model_id}/tool-sources/{source_id}", { path });
      }
      const path = { group_id: id, source_id: source };
      return on ? api.put("/admin/api/v1/groups/{group_id}/tool-sources/{source_id}", { path }) : api.delete("/admin/api/v1/groups/{group_id}/tool-sources/{source_id}", { path });
    },
    onSuccess: () => client.invalidateQueries({ queryKey: ["tools"] }),
    onError: toast.failed,
  });
  const failed = every.error ?? own.error;
  if (failed) return <Failed error={failed} retry={() => void Promise.all([every.refetch(), own.refetch()])} />;
  if (!every.data || !own.data) return <Bones rows={3} />;
  const found = every.data.filter((each) => `${each.name} ${each.description ?? ""}`.toLowerCase().includes(text.toLowerCase()));
  return (
    <>
      <p className="border-b border-line px-5 py-3 text-quiet">
        {place === "model"
          ? "A call of this model has those of them that a group of its account has too."
          : "Calls of the group's members have those of them that the model they call has too."}
      </p>
      <Membership
        what="tools"
        search="Search tools"
        total={found.length}
        text={text}
        onText={setText}
        inside={new Set(own.data.map((each) => each.id))}
        all={found.map((each) => ({ id: each.id, title: each.name, hint: each.description ?? each.url }))}
        busy={change.isPending ? change.variables.source : null}
        onChange={(source, on) => change.mutate({ source, on })}
        none={
          <Empty
            icon="tools"
            title="No tools yet"
            action={
              <Button asChild>
                <Link to="/tools" search={{ create: true }}>
                  Add a tool
                </Link>
              </Button>
            }
          >
            A tool is something behind HTTP that the server runs when a model calls it.
          </Empty>
        }
      />
    </>
  );
}
