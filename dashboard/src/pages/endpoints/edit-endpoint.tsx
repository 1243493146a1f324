import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { api } from "@/api/client";
import type { Schemas } from "@/api/client";
import type { Endpoint } from "@/api/types";
import { LimitFields, NumberField } from "@/pages/limits";
import { Button } from "@/ui/button";
import { Dialog } from "@/ui/dialog";
import { Checkbox, Form, TextField } from "@/ui/field";
import { ErrorNote } from "@/ui/state";
import { toast } from "@/ui/toast";

type Change = Schemas["EndpointUpdate"];
type Timeouts = Schemas["Timeouts"];

const TIMEOUTS: readonly (readonly [keyof Timeouts, string])[] = [
  ["connect", "To connect"],
  ["first_byte", "Until the first byte"],
  ["idle", "Between two pieces"],
  ["total", "For the whole answer"],
];

/** What can be changed of a model server; its key is never shown, only replaced. */
export function EditEndpoint({ endpoint, onClose }: { endpoint: Endpoint; onClose: () => void }) {
  const client = useQueryClient();
  const [change, setChange] = useState<Change>({});
  const edit = (part: Change) => setChange((now) => ({ ...now, ...part }));
  const setKey = (api_key: string | null | undefined) =>
    setChange(({ ...rest }) => {
      delete rest.api_key;
      return api_key === undefined ? rest : { ...rest, api_key };
    });
  const save = useMutation({
    mutationFn: () => api.patch("/admin/api/v1/endpoints/{endpoint_id}", { path: { endpoint_id: endpoint.id }, body: change }),
    onSuccess: async () => {
      await Promise.all(["endpoints", "models"].map((name) => client.invalidateQueries({ queryKey: [name] })));
      toast.done(`${change.name ?? endpoint.name} is saved.`);
      onClose();
    },
  });
  const now = { ...endpoint, ...change };
  const timeouts = now.timeouts ?? {};
  return (
    <Dialog
      wide
      open
      onClose={onClose}
      title={endpoint.name}
      description="Changes take effect at once, for calls that begin after them."
      footer={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button look="solid" type="submit" form="endpoint" busy={save.isPending} disabled={Object.keys(change).length === 0}>
            Save changes
          </Button>
        </>
      }
    >
      <Form id="endpoint" className="space-y-5" onSubmit={() => save.mutate()}>
        <div className="grid gap-4 sm:grid-cols-2">
          <TextField label="Name" required value={now.name} onChange={(event) => edit({ name: event.target.value })} />
          <TextField label="Description" optional value={now.description ?? ""} onChange={(event) => edit({ description: event.target.value || null })} />
        </div>
        <TextField label="Address" type="url" required boxClass="font-mono" value={now.url} onChange={(event) => edit({ url: event.target.value })} />
        <div>
          <TextField
            label={endpoint.requires_api_key ? "Another API key" : "API key of the server"}
            optional
            type="password"
            placeholder={endpoint.requires_api_key ? "The one that is there stays" : "None"}
            disabled={change.api_key === null}
            value={change.api_key ?? ""}
            onChange={(event) => {
              setKey(event.target.value || undefined);
            }}
          />
          {endpoint.requires_api_key && (
            <Checkbox
              className="mt-1.5"
              label="Send no key any more"
              checked={change.api_key === null}
              onChange={(event) => {
                setKey(event.target.checked ? null : undefined);
              }}
            />
          )}
        </div>
        <details>
          <summary className="rounded font-medium">How the key is sent</summary>
          <div className="mt-3 grid gap-4 sm:grid-cols-2">
            <TextField label="Header" value={now.auth_header_name ?? ""} onChange={(event) => edit({ auth_header_name: event.target.value })} />
            <TextField label="Before the key" value={now.auth_header_prefix ?? ""} onChange={(event) => edit({ auth_header_prefix: event.target.value })} />
          </div>
        </details>
        <details>
          <summary className="rounded font-medium">Limits</summary>
          <div className="mt-3">
            <LimitFields limits={now} onChange={edit} />
          </div>
        </details>
        <details>
          <summary className="rounded font-medium">Time allowed, in seconds</summary>
          <div className="mt-3 grid gap-4 sm:grid-cols-2">
            {TIMEOUTS.map(([name, label]) => (
              <NumberField key={name} label={label} whole={false} placeholder="as the server's setting" value={timeouts[name] ?? null} onChange={(value) => edit({ timeouts: { ...timeouts, [name]: value } })} />
            ))}
          </div>
        </details>
        {save.error && <ErrorNote error={save.error} />}
      </Form>
    </Dialog>
  );
}
