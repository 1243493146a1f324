/** Uploads a file; when the server refuses it, shows which line is wrong and what stands there. */
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef, useState, type DragEvent } from "react";
import { ApiError } from "@/api/client";
import { upload } from "@/api/upload";
import type { StoredFile } from "@/api/work";
import { bytes } from "@/text/format";
import { faultsIn, lineOf, type Fault } from "@/text/jsonl";
import { Button } from "@/ui/button";
import { cx } from "@/ui/classes";
import { Code } from "@/ui/copy";
import { Dialog } from "@/ui/dialog";
import { Form, SelectField } from "@/ui/field";
import { Icon } from "@/ui/icon";
import { Progress } from "@/ui/progress";
import { ErrorNote, Note } from "@/ui/state";
import { toast } from "@/ui/toast";
import { PURPOSES } from "./purposes";

const KEEPS = [
  { value: "", label: "As long as usual" },
  { value: "86400", label: "1 day" },
  { value: "604800", label: "7 days" },
  { value: "2592000", label: "30 days" },
];

interface Props {
  /** The only one, where the place asks for it. */
  purpose?: string;
  onClose: () => void;
  onDone: (file: StoredFile) => void;
}

export function UploadDialog({ purpose: only, onClose, onDone }: Props) {
  const client = useQueryClient();
  const [file, setFile] = useState<File | null>(null);
  const [purpose, setPurpose] = useState(only ?? "batch");
  const [keep, setKeep] = useState("");
  const [part, setPart] = useState(0);
  const stop = useRef<AbortController>(null);
  // Whoever leaves the page meanwhile does not want it any more.
  useEffect(() => () => stop.current?.abort(), []);
  const send = useMutation({
    mutationFn: async (chosen: File) => {
      stop.current = new AbortController();
      setPart(0);
      return upload({ file: chosen, purpose, keep: keep ? Number(keep) : undefined, signal: stop.current.signal, onProgress: setPart });
    },
    onSuccess: async (made) => {
      await client.invalidateQueries({ queryKey: ["files"] });
      toast.done(`${made.filename} is uploaded.`);
      onDone(made);
    },
  });
  const choose = (chosen: File | null | undefined) => {
    setFile(chosen ?? null);
    send.reset();
  };
  const choosePurpose = (wanted: string) => {
    setPurpose(wanted);
    send.reset();
  };
  const stopped = send.error instanceof DOMException;
  return (
    <Dialog
      open
      onClose={onClose}
      title="Upload a file"
      description={only === "batch" ? "One request on each line, as JSON." : undefined}
      footer={
        <>
          {send.isPending ? <Button onClick={() => stop.current?.abort()}>Stop</Button> : <Button onClick={onClose}>Cancel</Button>}
          <Button look="solid" type="submit" form="upload" busy={send.isPending} disabled={file === null}>
            Upload
          </Button>
        </>
      }
    >
      <Form id="upload" className="space-y-4" onSubmit={() => file && send.mutate(file)}>
        <Place file={file} disabled={send.isPending} onChoose={choose} />
        <div className="grid gap-4 sm:grid-cols-2">
          {!only && <SelectField label="Purpose" disabled={send.isPending} options={PURPOSES} value={purpose} onChange={(event) => choosePurpose(event.target.value)} />}
          <SelectField label="Keep it" disabled={send.isPending} options={KEEPS} value={keep} onChange={(event) => setKeep(event.target.value)} />
        </div>
        {send.isPending && (
          <div role="status">
            <Progress label="Upload" said={`${Math.round(part * 100)} %`} done={part} />
            <p className="mt-1.5 text-[0.93rem] text-quiet tabular-nums">{part < 1 ? `${Math.round(part * 100)} %` : "Its lines are being checked."}</p>
          </div>
        )}
        {stopped ? <Note tone="info">The upload was stopped. Nothing of it was kept.</Note> : send.error && file && <Refusal error={send.error} file={file} />}
      </Form>
    </Dialog>
  );
}

function Place({ file, disabled, onChoose }: { file: File | null; disabled: boolean; onChoose: (file: File | null | undefined) => void }) {
  const [over, setOver] = useState(false);
  const drag = (inside: boolean) => (event: DragEvent) => {
    event.preventDefault();
    setOver(inside && !disabled);
  };
  return (
    <label
      className={cx(
        "flex cursor-pointer flex-col items-center gap-1 rounded-xl border border-dashed px-4 py-7 text-center transition-colors has-focus-visible:outline-2 has-focus-visible:outline-offset-2 has-focus-visible:outline-accent",
        over ? "border-accent bg-accent-soft" : "border-edge hover:bg-sunken",
      )}
      onDragOver={drag(true)}
      onDragLeave={drag(false)}
      onDrop={(event) => {
        drag(false)(event);
        if (!disabled) onChoose(event.dataTransfer.files[0]);
      }}
    >
      <Icon name="upload" className="mb-1 size-6 text-quiet" />
      <span className="max-w-full font-medium [overflow-wrap:anywhere]">{file ? file.name : "Choose a file"}</span>
      <span className="text-quiet">{file ? bytes(file.size) : "or drop it here"}</span>
      <input type="file" className="sr-only" disabled={disabled} onChange={(event) => onChoose(event.target.files?.[0])} />
    </label>
  );
}

/** What the server said, line by line, with the line itself. */
function Refusal({ error, file }: { error: Error; file: File }) {
  if (!(error instanceof ApiError)) return <ErrorNote error={error} />;
  return (
    <ul aria-label="What is wrong" className="space-y-3">
      {faultsIn(error.message).map((fault, at) => (
        <li key={at}>
          <FaultNote fault={fault} file={file} />
        </li>
      ))}
    </ul>
  );
}

function FaultNote({ fault: { line, message }, file }: { fault: Fault; file: File }) {
  const [text, setText] = useState<string | null>(null);
  useEffect(() => {
    let current = true;
    if (line !== null) {
      void lineOf(file, line).then(
        (found) => current && setText(found),
        // The file is gone or was changed: what the server said has to do.
        () => current && setText(null),
      );
    }
    return () => {
      current = false;
    };
  }, [file, line]);
  return (
    <>
      <Note tone="bad">
        {line !== null && <span className="block font-medium">Line {line}</span>}
        {message}
      </Note>
      {text !== null && (
        <div className="mt-2">
          <Code label={`Line ${line}`} text={text} wrap />
        </div>
      )}
    </>
  );
}
