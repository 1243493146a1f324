import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { api } from "@/api/client";
import type { Endpoint } from "@/api/types";
import { Button } from "@/ui/button";
import { Dialog } from "@/ui/dialog";
import { Form } from "@/ui/field";
import { Bones, ErrorNote, Note } from "@/ui/state";
import { toast } from "@/ui/toast";
import { ModelChoice } from "./model-choice";

/** Which of the models that a server lists now are taken. */
export function EndpointModels({ endpoint, onClose }: { endpoint: Endpoint; onClose: () => void }) {
  const client = useQueryClient();
  const [picked, setPicked] = useState<ReadonlySet<string> | null>(null);
  const listed = useQuery({
    queryKey: ["endpoints", "listed", endpoint.id],
    queryFn: () => api.post("/admin/api/v1/endpoints/validate", { body: { type: "existing", endpoint_id: endpoint.id } }),
    staleTime: 0,
    gcTime: 0,
  });
  const names = listed.data?.models?.data.map((model) => model.id) ?? [];
  const chosen = picked ?? new Set(endpoint.model_filter ?? names);
  const save = useMutation({
    mutationFn: () => api.patch("/admin/api/v1/endpoints/{endpoint_id}", { path: { endpoint_id: endpoint.id }, body: { model_filter: names.every((name) => chosen.has(name)) ? null : [...chosen] } }),
    onSuccess: async () => {
      await Promise.all(["endpoints", "models"].map((name) => client.invalidateQueries({ queryKey: [name] })));
      toast.done("The models are saved.");
      onClose();
    },
  });
  return (
    <Dialog
      wide
      open
      onClose={onClose}
      title={`Models of ${endpoint.name}`}
      description="A model that is left out is kept with its settings, and not called any more. New models are open to nobody at first."
      footer={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button look="solid" type="submit" form="endpoint-models" busy={save.isPending} disabled={picked === null || chosen.size === 0}>
            Save models
          </Button>
        </>
      }
    >
      {listed.isPending ? (
        <Bones rows={4} />
      ) : listed.data?.status === "success" ? (
        <Form id="endpoint-models" className="space-y-4" onSubmit={() => save.mutate()}>
          <ModelChoice fixed names={names} choice={{ chosen, aliases: {} }} onChange={(choice) => setPicked(choice.chosen)} />
          {save.error && <ErrorNote error={save.error} />}
        </Form>
      ) : (
        <Note tone="bad">{listed.error?.message ?? listed.data?.error ?? "The server does not answer."}</Note>
      )}
    </Dialog>
  );
}
