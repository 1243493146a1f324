/** Makes a tool source, or changes one; its key is never shown, only replaced. */
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { api, ApiError } from "@/api/client";
import type { ToolSource } from "@/api/types";
import { NumberField } from "@/pages/limits";
import { faultsOf } from "@/text/faults";
import { Button } from "@/ui/button";
import { Dialog } from "@/ui/dialog";
import { Checkbox, Form, TextArea, TextField } from "@/ui/field";
import { ErrorNote, Note } from "@/ui/state";
import { toast } from "@/ui/toast";
import { schemaIn, schemaOut } from "./schema";

const FIELDS = ["name", "description", "url", "api_key", "parameters", "timeout_secs"] as const;
const EXAMPLE = `{
  "type": "object",
  "properties": { "city": { "type": "string" } },
  "required": ["city"]
}`;

export function ToolDialog({ tool, onClose }: { tool?: ToolSource; onClose: () => void }) {
  const client = useQueryClient();
  const [name, setName] = useState(tool?.name ?? "");
  const [description, setDescription] = useState(tool?.description ?? "");
  const [url, setUrl] = useState(tool?.url ?? "");
  const [key, setKey] = useState("");
  const [keyless, setKeyless] = useState(false);
  const [schema, setSchema] = useState(schemaOut(tool?.parameters ?? null));
  const [timeout, setTimeout] = useState<number | null>(tool?.timeout_secs ?? 30);
  const read = schemaIn(schema);
  const save = useMutation({
    mutationFn: () => {
      const body = { name: name.trim(), description: description.trim() || null, url: url.trim(), parameters: read.schema, timeout_secs: timeout ?? 30 };
      const secret = keyless ? { api_key: null } : key ? { api_key: key.trim() } : {};
      return tool
        ? api.patch("/admin/api/v1/tool-sources/{source_id}", { path: { source_id: tool.id }, body: { ...body, ...secret } })
        : api.post("/admin/api/v1/tool-sources", { body: { kind: "http", ...body, ...secret } });
    },
    onSuccess: async (saved) => {
      await client.invalidateQueries({ queryKey: ["tools"] });
      toast.done(`${saved.name} is ${tool ? "saved" : "added"}.`);
      onClose();
    },
  });
  const taken = save.error instanceof ApiError && save.error.status === 409 ? save.error.message : null;
  const { at, other } = faultsOf(taken === null ? (save.error?.message ?? null) : null, FIELDS);
  const submit = () => {
    if (read.fault === null) save.mutate();
  };
  return (
    <Dialog
      wide
      open
      onClose={onClose}
      title={tool?.name ?? "Add a tool"}
      description={tool ? "Changes hold for calls that begin after them." : "Something behind HTTP that models may call, and the server runs for them."}
      footer={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button look="solid" type="submit" form="tool" busy={save.isPending} disabled={read.fault !== null}>
            {tool ? "Save changes" : "Add tool"}
          </Button>
        </>
      }
    >
      <Form id="tool" className="space-y-4" onSubmit={submit}>
        <TextField
          label="Name"
          required
          maxLength={64}
          boxClass="font-mono"
          placeholder="weather"
          hint="Models call it by this name: letters, digits, _ and -."
          error={taken ?? at.name ?? null}
          value={name}
          onChange={(event) => setName(event.target.value)}
        />
        <TextArea
          label="Description"
          optional
          placeholder="The weather of a city, now."
          hint="Tells models what it is good for."
          error={at.description ?? null}
          value={description}
          onChange={(event) => setDescription(event.target.value)}
        />
        <TextField
          label="Address"
          type="url"
          required
          boxClass="font-mono"
          placeholder="https://tools.example/weather"
          hint="Gets the arguments as the JSON body of a POST."
          error={at.url ?? null}
          value={url}
          onChange={(event) => setUrl(event.target.value)}
        />
        <div>
          <TextField
            label={tool?.has_api_key ? "Another API key" : "API key of the tool"}
            optional
            type="password"
            placeholder={tool?.has_api_key ? "The one that is there stays" : "None"}
            hint="Sent as a bearer token. Kept sealed here, and shown to nobody."
            error={at.api_key ?? null}
            disabled={keyless}
            value={keyless ? "" : key}
            onChange={(event) => setKey(event.target.value)}
          />
          {tool?.has_api_key && <Checkbox className="mt-1.5" label="Send no key any more" checked={keyless} onChange={(event) => setKeyless(event.target.checked)} />}
        </div>
        {url.trim().startsWith("http://") && key !== "" && !/^http:\/\/(127\.|localhost|\[::1\])/.test(url.trim()) && (
          <Note tone="warn">This address is not encrypted: the key can be read on its way.</Note>
        )}
        <TextArea
          label="Arguments"
          optional
          rows={7}
          spellCheck={false}
          className="[&_textarea]:font-mono [&_textarea]:text-[0.92rem]"
          placeholder={EXAMPLE}
          hint="A JSON Schema of the type object. Empty for a tool without arguments."
          error={read.fault ?? at.parameters ?? null}
          value={schema}
          onChange={(event) => setSchema(event.target.value)}
        />
        <div className="sm:w-1/2">
          <NumberField label="Seconds it may take" placeholder="30" max={600} value={timeout} onChange={setTimeout} />
        </div>
        {at.timeout_secs && <Note tone="bad">{at.timeout_secs}</Note>}
        {other !== null && <ErrorNote error={other} />}
      </Form>
    </Dialog>
  );
}
