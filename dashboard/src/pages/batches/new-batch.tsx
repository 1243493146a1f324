/** Makes a batch of a file that is there, or of one that is uploaded on the way. */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { createBatch, fileQuery, filesQuery, headQuery, type Batch, type StoredFile } from "@/api/work";
import { MOST } from "@/api/queries";
import type { Schemas } from "@/api/client";
import { newSource } from "@/pages/costs/entries";
import { EstimateFacts } from "@/pages/files/estimate";
import { UploadDialog } from "@/pages/files/upload-dialog";
import { day } from "@/text/format";
import { firstCall } from "@/text/jsonl";
import { Button, IconButton } from "@/ui/button";
import { Dialog } from "@/ui/dialog";
import { Form, SelectField, TextField } from "@/ui/field";
import { ErrorNote } from "@/ui/state";
import { toast } from "@/ui/toast";
import { metadataOf, titleOf } from "./words";

type Note = [name: string, value: string];

interface Props {
  allowed: Schemas["BatchConfig"];
  /** Chosen beforehand. */
  file: string | undefined;
  onClose: () => void;
  onMade: (batch: Batch) => void;
}

export function NewBatchDialog({ allowed, file: given, onClose, onMade }: Props) {
  const client = useQueryClient();
  const [fileId, setFileId] = useState(given ?? "");
  const [endpoint, setEndpoint] = useState<string>();
  const [window, setWindow] = useState(allowed.allowed_completion_windows[0] ?? "24h");
  const [description, setDescription] = useState("");
  const [notes, setNotes] = useState<Note[]>([]);
  const [uploading, setUploading] = useState(false);
  // One name for one wish: sent again after an answer that got lost, it makes no second batch.
  const [once, setOnce] = useState(newSource);
  const choices = useQuery(filesQuery({ purpose: "batch", limit: MOST }));
  const chosen = useQuery({ ...fileQuery(fileId), enabled: fileId !== "" });
  const head = useQuery({ ...headQuery(fileId, 1), enabled: fileId !== "" });
  // What its first line calls is what a file is for.
  const path = endpoint ?? (head.data === undefined ? undefined : firstCall(head.data).url) ?? allowed.allowed_url_paths[0] ?? "";
  const create = useMutation({
    mutationFn: () => createBatch({ input_file_id: fileId, endpoint: path, completion_window: window, metadata: metadataOf(description, notes) }, once),
    onSuccess: async (batch) => {
      await client.invalidateQueries({ queryKey: ["batches"] });
      toast.done(`${titleOf(batch)} is created.`);
      onMade(batch);
    },
  });
  const edited = (change: () => void) => {
    change();
    setOnce(newSource());
    create.reset();
  };
  const choose = (id: string) =>
    edited(() => {
      setFileId(id);
      setEndpoint(undefined);
    });
  const files = [...(choices.data?.data ?? [])];
  if (chosen.data && !files.some(({ id }) => id === fileId)) files.unshift(chosen.data);
  const paths = allowed.allowed_url_paths.includes(path) || path === "" ? allowed.allowed_url_paths : [path, ...allowed.allowed_url_paths];
  return (
    <>
      <Dialog
        open
        onClose={onClose}
        title="Create a batch"
        description="Each line of the file becomes a request."
        footer={
          <>
            <Button onClick={onClose}>Cancel</Button>
            <Button look="solid" type="submit" form="batch" busy={create.isPending} disabled={fileId === ""}>
              Create batch
            </Button>
          </>
        }
      >
        <Form id="batch" className="space-y-4" onSubmit={() => create.mutate()}>
          <div className="flex items-end gap-2">
            <SelectField
              label="File"
              required
              className="min-w-0 flex-1"
              options={[{ value: "", label: choices.isPending ? "Loading…" : files.length > 0 ? "Choose a file" : "There is none yet" }, ...files.map(toOption)]}
              value={fileId}
              onChange={(event) => choose(event.target.value)}
            />
            <Button icon="upload" onClick={() => setUploading(true)}>
              Upload
            </Button>
          </div>
          {choices.isError && <ErrorNote error={choices.error} />}
          <div className="grid gap-4 sm:grid-cols-2">
            <SelectField label="Endpoint" hint="The path that its lines call." options={paths.map(same)} value={path} onChange={(event) => edited(() => setEndpoint(event.target.value))} />
            <SelectField label="Window" hint="The time within which it is to be done." options={allowed.allowed_completion_windows.map(same)} value={window} onChange={(event) => edited(() => setWindow(event.target.value))} />
          </div>
          {fileId !== "" && <EstimateFacts fileId={fileId} window={window} />}
          <TextField label="Description" optional maxLength={512} placeholder="Such as: evaluation of Tuesday" value={description} onChange={(event) => edited(() => setDescription(event.target.value))} />
          <fieldset className="space-y-2">
            <legend className="mb-1.5 text-[0.93rem] font-medium">
              Metadata <span className="ml-1 font-normal text-faint">optional</span>
            </legend>
            {notes.map(([name, value], at) => {
              const put = (note: Note) => edited(() => setNotes(notes.map((each, index) => (index === at ? note : each))));
              return (
                <div key={at} className="flex items-end gap-2">
                  <TextField label={at === 0 ? "Name" : `Name ${at + 1}`} className={at === 0 ? "flex-1" : "flex-1 [&>label]:sr-only"} maxLength={64} value={name} onChange={(event) => put([event.target.value, value])} />
                  <TextField label={at === 0 ? "Value" : `Value ${at + 1}`} className={at === 0 ? "flex-1" : "flex-1 [&>label]:sr-only"} maxLength={512} value={value} onChange={(event) => put([name, event.target.value])} />
                  <IconButton icon="close" label={`Remove ${name || "it"}`} onClick={() => edited(() => setNotes(notes.filter((_, index) => index !== at)))} />
                </div>
              );
            })}
            {notes.length < MOST_NOTES && (
              <Button size="sm" icon="plus" onClick={() => setNotes([...notes, ["", ""]])}>
                Add metadata
              </Button>
            )}
          </fieldset>
          {create.error && <ErrorNote error={create.error} />}
        </Form>
      </Dialog>
      {uploading && (
        <UploadDialog
          purpose="batch"
          onClose={() => setUploading(false)}
          onDone={(file) => {
            setUploading(false);
            choose(file.id);
          }}
        />
      )}
    </>
  );
}

const MOST_NOTES = 16;

function toOption({ id, filename, created_at }: StoredFile) {
  return { value: id, label: `${filename}, ${day(created_at * 1000)}` };
}

function same(value: string) {
  return { value, label: value };
}
