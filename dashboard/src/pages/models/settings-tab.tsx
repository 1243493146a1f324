import { useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { api } from "@/api/client";
import type { Model, ModelUpdate } from "@/api/types";
import { NumberField } from "@/pages/limits";
import { Button } from "@/ui/button";
import { Confirm } from "@/ui/dialog";
import { Form, SelectField, Switch, TextArea, TextField } from "@/ui/field";
import { Card } from "@/ui/layout";
import { ErrorNote } from "@/ui/state";
import { toast } from "@/ui/toast";
import { headersIn, headersOut } from "./headers";
import { refreshModels, useModelChange } from "./changes";
import { PROTOCOLS, flagsOf, protocolOf, type Protocol } from "./protocols";
import { TYPES } from "./words";

export function SettingsTab({ model }: { model: Model }) {
  const [change, setChange] = useState<ModelUpdate>({});
  const [headers, setHeaders] = useState(headersOut(model.response_headers ?? {}));
  const save = useModelChange(model.id);
  const edit = (part: ModelUpdate) => setChange((now) => ({ ...now, ...part }));
  const now = { ...model, ...change };
  const told = (now.metadata ?? {}) as { provider?: string | null; context_window?: number | null };
  const capabilities = (now.capabilities ?? []).join(", ");
  const submit = () => save.mutate(change, { onSuccess: () => setChange({}) });
  return (
    <div className="space-y-5">
      <Card title="What callers see">
        <Form id="settings" className="max-w-2xl space-y-4 p-5" onSubmit={submit}>
          <div className="grid gap-4 sm:grid-cols-2">
            <TextField label="Alias" required hint="Callers who use the old one are refused at once." value={now.alias} onChange={(event) => edit({ alias: event.target.value })} />
            <TextField label="Display name" optional value={now.display_name ?? ""} onChange={(event) => edit({ display_name: event.target.value || null })} />
          </div>
          <TextArea label="Description" optional value={now.description ?? ""} onChange={(event) => edit({ description: event.target.value || null })} />
          <div className="grid gap-4 sm:grid-cols-2">
            <SelectField label="Type" options={TYPES} value={now.model_type} onChange={(event) => edit({ model_type: event.target.value as Model["model_type"] })} />
            <TextField
              label="Capabilities"
              optional
              placeholder="vision, tools"
              defaultValue={capabilities}
              onChange={(event) => edit({ capabilities: event.target.value.split(",").map((word) => word.trim()).filter(Boolean) })}
            />
            <TextField label="Provider" optional value={told.provider ?? ""} onChange={(event) => edit({ metadata: { ...now.metadata, provider: event.target.value || null } })} />
            <NumberField label="Context window" placeholder="not told" value={told.context_window ?? null} onChange={(context_window) => edit({ metadata: { ...now.metadata, context_window } })} />
          </div>
        </Form>
      </Card>
      <Card title="What callers get">
        <div className="max-w-2xl space-y-5 p-5">
          <Switch label="Clean answers" hint="Answers lose what only this provider sends, and its error texts." checked={now.sanitize_responses ?? false} onChange={(sanitize_responses) => edit({ sanitize_responses })} />
          <Switch label="Trusted provider" hint="Its error texts reach callers even where others are masked, and it gets traces." checked={now.trusted ?? false} onChange={(trusted) => edit({ trusted })} />
          {!model.is_composite && (
            <SelectField
              label="What its server speaks"
              hint="Calls in another protocol are translated for it, and its answers back."
              options={PROTOCOLS}
              value={protocolOf(now)}
              onChange={(event) => edit(flagsOf(event.target.value as Protocol))}
            />
          )}
          <TextArea
            label="Headers of answers"
            optional
            hint="One “name: value” on each line, such as prices."
            className="[&_textarea]:font-mono"
            value={headers}
            onChange={(event) => {
              setHeaders(event.target.value);
              edit({ response_headers: headersIn(event.target.value) });
            }}
          />
        </div>
      </Card>
      {save.error && <ErrorNote error={save.error} />}
      <div className="flex flex-wrap items-center justify-between gap-3">
        <Button look="solid" type="submit" form="settings" busy={save.isPending} disabled={Object.keys(change).length === 0}>
          Save changes
        </Button>
        <Delete model={model} />
      </div>
    </div>
  );
}

function Delete({ model }: { model: Model }) {
  const client = useQueryClient();
  const navigate = useNavigate();
  const [asking, setAsking] = useState(false);
  const remove = async () => {
    await api.delete("/admin/api/v1/models/{model_id}", { path: { model_id: model.id } });
    toast.done(`${model.alias} is deleted.`);
    await navigate({ to: "/models" });
    await refreshModels(client);
  };
  return (
    <>
      <Button look="warning" icon="trash" onClick={() => setAsking(true)}>
        Delete model
      </Button>
      <Confirm open={asking} onClose={() => setAsking(false)} title={`Delete “${model.alias}”?`} verb="Delete model" act={remove}>
        Calls to it are refused from now on. Its requests stay in the list of requests.
      </Confirm>
    </>
  );
}
