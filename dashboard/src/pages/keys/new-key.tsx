/** Makes a key, and shows its secret the only time that anybody sees it. */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { api } from "@/api/client";
import { usableModels } from "@/api/queries";
import type { ApiKey } from "@/api/types";
import { keepSecret } from "@/session/secrets";
import { LimitFields, type Limits } from "@/pages/limits";
import { Snippets } from "@/pages/start/snippets";
import { Button } from "@/ui/button";
import { CopyButton } from "@/ui/copy";
import { Dialog } from "@/ui/dialog";
import { Form, SelectField, TextArea, TextField } from "@/ui/field";
import { ErrorNote, Note } from "@/ui/state";

const EXPIRIES = [
  { value: "", label: "Never" },
  { value: "7", label: "In 7 days" },
  { value: "30", label: "In 30 days" },
  { value: "90", label: "In 90 days" },
  { value: "365", label: "In a year" },
];
const PURPOSES = [
  { value: "realtime", label: "Calling models" },
  { value: "platform", label: "The admin API" },
];

/** `owner` is an account's id; a key for somebody else is shown to who makes it, and not kept for trying it here. */
export function useNewKey(owner: string, own: boolean) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (wanted: { name: string; purpose?: string; expires_at?: string | null; allowed_models?: string[] | null; allowed_cidrs?: string[] | null } & Limits) =>
      api.post("/admin/api/v1/users/{user_id}/api-keys", { path: { user_id: owner }, body: { purpose: "realtime", ...wanted } }),
    onSuccess: (key) => {
      if (own && key.key && key.purpose === "realtime") keepSecret({ name: key.name, secret: key.key });
      void client.invalidateQueries({ queryKey: ["keys"] });
    },
  });
}

export function NewKeyDialog({ open, onClose, owner, own, forWhom }: { open: boolean; onClose: () => void; owner: string; own: boolean; forWhom?: string }) {
  const [made, setMade] = useState<ApiKey | null>(null);
  const close = () => {
    setMade(null);
    onClose();
  };
  if (made?.key) {
    return (
      <Dialog wide open={open} onClose={close} title={`Key “${made.name}”`} description="It works from now on." footer={<Button look="solid" onClick={close}>I have copied it</Button>}>
        <Revealed apiKey={made} secret={made.key} />
      </Dialog>
    );
  }
  return (
    <Dialog
      open={open}
      onClose={close}
      title="Create an API key"
      description={forWhom ? `For ${forWhom}.` : "An application calls models with it, in your name."}
      footer={
        <>
          <Button onClick={close}>Cancel</Button>
          <Button look="solid" type="submit" form="new-key">
            Create key
          </Button>
        </>
      }
    >
      <NewKeyForm owner={owner} own={own} onMade={setMade} />
    </Dialog>
  );
}

function NewKeyForm({ owner, own, onMade }: { owner: string; own: boolean; onMade: (key: ApiKey) => void }) {
  const [name, setName] = useState("");
  const [purpose, setPurpose] = useState("realtime");
  const [days, setDays] = useState("");
  const [limits, setLimits] = useState<Limits>({});
  const [models, setModels] = useState("");
  const [networks, setNetworks] = useState("");
  const create = useNewKey(owner, own);
  const submit = () => {
    const expires_at = days ? new Date(Date.now() + Number(days) * 86_400_000).toISOString() : null;
    create.mutate({ name, purpose, expires_at, allowed_models: words(models), allowed_cidrs: words(networks), ...limits }, { onSuccess: onMade });
  };
  return (
    <Form id="new-key" className="space-y-4" onSubmit={submit}>
      <TextField label="Name" required autoFocus placeholder="Such as: website, evaluation" value={name} onChange={(event) => setName(event.target.value)} />
      <div className="grid gap-4 sm:grid-cols-2">
        <SelectField label="For" options={PURPOSES} value={purpose} onChange={(event) => setPurpose(event.target.value)} />
        <SelectField label="Expires" options={EXPIRIES} value={days} onChange={(event) => setDays(event.target.value)} />
      </div>
      {purpose === "platform" && <Note tone="info">It may do in the admin API what you may do, and calls no models.</Note>}
      <details>
        <summary className="rounded font-medium">Limits</summary>
        <div className="mt-3">
          <LimitFields limits={limits} onChange={(change) => setLimits((now) => ({ ...now, ...change }))} />
        </div>
      </details>
      <details>
        <summary className="rounded font-medium">Only some models or networks</summary>
        <div className="mt-3 grid gap-4 sm:grid-cols-2">
          <TextArea label="Models" hint="One alias on each line. None: all that are open to the account." className="[&_textarea]:font-mono" value={models} onChange={(event) => setModels(event.target.value)} />
          <TextArea label="Networks" placeholder="10.0.0.0/8" hint="One on each line. None: from everywhere." className="[&_textarea]:font-mono" value={networks} onChange={(event) => setNetworks(event.target.value)} />
        </div>
      </details>
      {create.error && <ErrorNote error={create.error} />}
    </Form>
  );
}

/** Nothing is no list: then everything is allowed. */
function words(text: string): string[] | null {
  const found = text.split(/\s+/).filter(Boolean);
  return found.length > 0 ? found : null;
}

export function Revealed({ apiKey, secret }: { apiKey: ApiKey; secret: string }) {
  const models = useQuery(usableModels);
  return (
    <div className="space-y-5">
      <div>
        <Note tone="warn" className="mb-3">
          Copy the key now: it is shown this once and cannot be shown again.
        </Note>
        <div className="flex flex-wrap items-center gap-2 rounded-lg border border-edge bg-sunken py-2 pr-2 pl-3.5">
          <code aria-label="The new key" className="min-w-0 flex-1 font-mono text-[0.95rem] [overflow-wrap:anywhere]">{secret}</code>
          <CopyButton text={secret} label="Copy key" look="solid" />
        </div>
      </div>
      {apiKey.purpose === "realtime" && <Snippets secret={secret} model={models.data?.data.find((model) => model.model_type === "CHAT")?.alias ?? "MODEL"} />}
    </div>
  );
}
