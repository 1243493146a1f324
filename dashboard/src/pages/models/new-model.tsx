/** A pool over other models, or a model that its endpoint does not list. */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { api } from "@/api/client";
import { endpointsQuery } from "@/api/queries";
import type { ModelCreate } from "@/api/types";
import { Button } from "@/ui/button";
import { Dialog } from "@/ui/dialog";
import { Form, SelectField, TextField } from "@/ui/field";
import { ErrorNote } from "@/ui/state";
import { toast } from "@/ui/toast";
import { refreshModels } from "./changes";
import { STRATEGIES, TYPES } from "./words";

const KINDS = [
  { value: "composite", label: "A pool of other models" },
  { value: "standard", label: "A model on an endpoint" },
];

export function NewModelDialog({ open, onClose }: { open: boolean; onClose: () => void }) {
  if (!open) return null;
  return (
    <Dialog
      open
      onClose={onClose}
      title="Create a model"
      description="Models of an endpoint come by themselves. Here you make a pool, or name one that its server does not list."
      footer={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button look="solid" type="submit" form="new-model">
            Create model
          </Button>
        </>
      }
    >
      <NewModelForm />
    </Dialog>
  );
}

function NewModelForm() {
  const client = useQueryClient();
  const navigate = useNavigate();
  const endpoints = useQuery(endpointsQuery);
  const [kind, setKind] = useState("composite");
  const [alias, setAlias] = useState("");
  const [name, setName] = useState("");
  const [type, setType] = useState<"CHAT" | "EMBEDDINGS" | "RERANKER">("CHAT");
  const [strategy, setStrategy] = useState<"weighted_random" | "priority">("weighted_random");
  const [endpoint, setEndpoint] = useState("");
  const pool = kind === "composite";
  const create = useMutation({
    mutationFn: () => {
      const hosted_on = endpoint || (endpoints.data?.[0]?.id ?? null);
      const common = { alias, model_type: type, sanitize_responses: false, trusted: false, chat_completions_adapter: false };
      const body: ModelCreate = pool
        ? { ...common, type: "composite", model_name: alias, lb_strategy: strategy }
        : { ...common, type: "standard", model_name: name || alias, hosted_on };
      return api.post("/admin/api/v1/models", { body });
    },
    onSuccess: async (model) => {
      await refreshModels(client);
      toast.done(`${model.alias} is created.`);
      await navigate({ to: "/models/$modelId", params: { modelId: model.id }, search: { tab: model.is_composite ? "pool" : "access" } });
    },
  });
  return (
    <Form id="new-model" className="space-y-4" onSubmit={() => create.mutate()}>
      <SelectField label="What" options={KINDS} value={kind} onChange={(event) => setKind(event.target.value)} />
      <TextField label="Alias" required autoFocus hint="The name that callers use." placeholder={pool ? "chat-large" : ""} value={alias} onChange={(event) => setAlias(event.target.value)} />
      {pool ? (
        <SelectField label="Strategy" hint="Which of its models answers. You choose them next." options={STRATEGIES} value={strategy} onChange={(event) => setStrategy(event.target.value as typeof strategy)} />
      ) : (
        <>
          <SelectField label="Endpoint" required options={(endpoints.data ?? []).map((each) => ({ value: each.id, label: each.name }))} value={endpoint} onChange={(event) => setEndpoint(event.target.value)} />
          <TextField label="Name at the endpoint" optional hint="Where it differs from the alias." value={name} onChange={(event) => setName(event.target.value)} />
        </>
      )}
      <SelectField label="Type" options={TYPES} value={type} onChange={(event) => setType(event.target.value as typeof type)} />
      {create.error && <ErrorNote error={create.error} />}
    </Form>
  );
}
