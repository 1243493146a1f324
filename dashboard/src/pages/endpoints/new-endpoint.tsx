/** Connects a model server in two steps: does it answer, then which of its models. */
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { api, ApiError } from "@/api/client";
import { listModels, MOST } from "@/api/queries";
import { EVERYONE } from "@/api/types";
import { plural } from "@/text/format";
import { Button } from "@/ui/button";
import { Dialog } from "@/ui/dialog";
import { Form, Switch, TextArea, TextField } from "@/ui/field";
import { ErrorNote, Note } from "@/ui/state";
import { toast } from "@/ui/toast";
import { ConnectionFields, credentials, NO_CONNECTION, type Connection } from "./connection-fields";
import { ModelChoice, type Choice } from "./model-choice";
import { nameFor } from "./providers";

interface Found {
  names: string[];
  /** Whether the server told them, or a person. */
  listed: boolean;
}

export function NewEndpointDialog({ open, onClose }: { open: boolean; onClose: () => void }) {
  return open ? <Wizard onClose={onClose} /> : null;
}

function Wizard({ onClose }: { onClose: () => void }) {
  const [connection, setConnection] = useState<Connection>(NO_CONNECTION);
  const [found, setFound] = useState<Found | null>(null);
  return found === null ? (
    <Connect connection={connection} onChange={setConnection} onFound={setFound} onClose={onClose} />
  ) : (
    <Import connection={connection} found={found} onBack={() => setFound(null)} onClose={onClose} />
  );
}

interface ConnectProps {
  connection: Connection;
  onChange: (connection: Connection) => void;
  onFound: (found: Found) => void;
  onClose: () => void;
}

function Connect({ connection, onChange, onFound, onClose }: ConnectProps) {
  const [byHand, setByHand] = useState("");
  const [writing, setWriting] = useState(false);
  const check = useMutation({
    mutationFn: () => api.post("/admin/api/v1/endpoints/validate", { body: { type: "new", ...credentials(connection) } }),
    onSuccess: (answer) => {
      const names = answer.models?.data.map((model) => model.id) ?? [];
      if (answer.status === "success" && names.length > 0) onFound({ names, listed: true });
    },
  });
  const silent = check.data && (check.data.status === "error" ? (check.data.error ?? "The server does not answer.") : "The server answers, and lists no models.");
  const submit = () => {
    const names = [...new Set(byHand.split(/\s+/).filter(Boolean))];
    if (writing && names.length > 0) onFound({ names, listed: false });
    else check.mutate();
  };
  return (
    <Dialog
      open
      onClose={onClose}
      title="Add an endpoint"
      description="Step 1 of 2: where the model server is."
      footer={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button look="solid" type="submit" form="connect" busy={check.isPending}>
            {writing ? "Continue" : "Check connection"}
          </Button>
        </>
      }
    >
      <Form id="connect" className="space-y-4" onSubmit={submit}>
        <ConnectionFields
          value={connection}
          onChange={(change) => {
            check.reset();
            onChange({ ...connection, ...change });
          }}
        />
        {check.error && <ErrorNote error={check.error} />}
        {silent && <Note tone="bad">{silent}</Note>}
        {silent && !writing && (
          <Button size="sm" onClick={() => setWriting(true)}>
            Name its models by hand
          </Button>
        )}
        {writing && <TextArea label="Models" required hint="One name on each line, as the server knows them." className="[&_textarea]:font-mono" value={byHand} onChange={(event) => setByHand(event.target.value)} />}
      </Form>
    </Dialog>
  );
}

interface ImportProps {
  connection: Connection;
  found: Found;
  onBack: () => void;
  onClose: () => void;
}

function Import({ connection, found, onBack, onClose }: ImportProps) {
  const client = useQueryClient();
  const [name, setName] = useState(nameFor(connection.url));
  const [choice, setChoice] = useState<Choice>({ chosen: new Set(found.names), aliases: {} });
  const [open, setOpen] = useState(true);
  const create = useMutation({
    mutationFn: async () => {
      const chosen = found.names.filter((each) => choice.chosen.has(each));
      const renamed = Object.entries(choice.aliases).filter(([model, alias]) => choice.chosen.has(model) && alias !== model);
      const everything = found.listed && chosen.length === found.names.length;
      const endpoint = await api.post("/admin/api/v1/endpoints", {
        body: {
          name,
          ...credentials(connection),
          model_filter: everything ? null : chosen,
          alias_mapping: renamed.length > 0 ? Object.fromEntries(renamed) : null,
          sync: true,
          skip_fetch: !found.listed,
        },
      });
      if (open) await openToEveryone(endpoint.id);
      return chosen.length;
    },
    onSuccess: async (number) => {
      await Promise.all([client.invalidateQueries({ queryKey: ["endpoints"] }), client.invalidateQueries({ queryKey: ["models"] }), client.invalidateQueries({ queryKey: ["groups"] })]);
      toast.done(`${name} is connected with ${plural(number, "model")}.`);
      onClose();
    },
  });
  const conflicts = create.error instanceof ApiError ? create.error.conflicts : [];
  const taken = new Set(conflicts.map((conflict) => conflict["model_name"] ?? ""));
  return (
    <Dialog
      wide
      open
      onClose={onClose}
      title="Add an endpoint"
      description={found.listed ? `Step 2 of 2: it answers, with ${plural(found.names.length, "model")}.` : "Step 2 of 2: what it is called."}
      footer={
        <>
          <Button onClick={onBack}>Back</Button>
          <Button look="solid" type="submit" form="import" busy={create.isPending} disabled={choice.chosen.size === 0}>
            Add endpoint
          </Button>
        </>
      }
    >
      <Form id="import" className="space-y-5" onSubmit={() => create.mutate()}>
        <TextField label="Name" required value={name} onChange={(event) => setName(event.target.value)} />
        <ModelChoice names={found.names} choice={choice} onChange={setChoice} taken={taken} />
        <Switch label="Open to everyone" hint="Every account may call these models at once. Otherwise you choose groups for each model later." checked={open} onChange={setOpen} />
        {create.error && <ErrorNote error={create.error} />}
      </Form>
    </Dialog>
  );
}

/** Gives the group of everyone access to all models of an endpoint. */
async function openToEveryone(endpointId: string): Promise<void> {
  for (let skip = 0; ; skip += MOST) {
    const page = await listModels({ endpoint: endpointId, skip, limit: MOST });
    await Promise.all(
      page.data.map((model) => api.post("/admin/api/v1/groups/{group_id}/models/{model_id}", { path: { group_id: EVERYONE, model_id: model.id } })),
    );
    if (skip + MOST >= page.total_count) return;
  }
}
