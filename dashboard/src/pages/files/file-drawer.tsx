/** One file: what it is, how it begins, what a batch over it may cost. */
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { contentAddress, fileQuery, headQuery, type StoredFile } from "@/api/work";
import { useCan } from "@/session/session";
import { bytes, exact } from "@/text/format";
import { Button } from "@/ui/button";
import { Code, CopyText } from "@/ui/copy";
import { Drawer } from "@/ui/dialog";
import { Facts } from "@/ui/layout";
import { Bones, ErrorNote, Failed } from "@/ui/state";
import { EstimateFacts } from "./estimate";
import { purposeLabel } from "./purposes";

/** Of lines that are shown for a look. */
const LINES = 5;
const MOST_SHOWN = 20_000;

interface Props {
  id: string | undefined;
  windows: readonly string[];
  onClose: () => void;
  onDelete: (file: StoredFile) => void;
}

export function FileDrawer({ id, windows, onClose, onDelete }: Props) {
  const query = useQuery({ ...fileQuery(id ?? ""), enabled: id !== undefined });
  const may = useCan("batches.create");
  const file = query.data;
  return (
    <Drawer
      open={id !== undefined}
      onClose={onClose}
      title={file?.filename ?? "File"}
      description={file ? purposeLabel(file.purpose) : "Loading"}
      footer={
        file && (
          <>
            {may && (
              <Button look="warning" icon="trash" onClick={() => onDelete(file)}>
                Delete
              </Button>
            )}
            <Button asChild>
              <a href={contentAddress(file.id)} download={file.filename}>
                Download
              </a>
            </Button>
            {may && file.purpose === "batch" && (
              <Button look="solid" asChild>
                <Link to="/batches" search={{ create: true, file: file.id }}>
                  Create batch
                </Link>
              </Button>
            )}
          </>
        )
      }
    >
      {file ? (
        <div className="space-y-6 px-5 py-5">
          <Facts facts={factsOf(file)} />
          {file.purpose === "batch" && windows.length > 0 && (
            <section>
              <h3 className="mb-2 font-medium">What a batch over it may cost</h3>
              <div className="space-y-2">
                {windows.map((window) => (
                  <EstimateFacts key={window} fileId={file.id} window={window} named />
                ))}
              </div>
            </section>
          )}
          {file.purpose.startsWith("batch") && <Beginning id={file.id} />}
        </div>
      ) : query.isError ? (
        <Failed error={query.error} retry={() => void query.refetch()} />
      ) : (
        <Bones />
      )}
    </Drawer>
  );
}

function factsOf(file: StoredFile): [string, ReactNode][] {
  return [
    ["ID", <CopyText key="id" text={file.id} label="Copy the ID" />],
    ["Size", bytes(file.bytes)],
    ["Created", exact(file.created_at * 1000)],
    ["Expires", file.expires_at === null ? "Never" : exact(file.expires_at * 1000)],
    ["Created by", file.created_by_email ?? "–"],
  ];
}

function Beginning({ id }: { id: string }) {
  const head = useQuery(headQuery(id, LINES));
  if (head.isError) return <ErrorNote error={head.error} />;
  if (head.data === undefined) return <Bones rows={3} />;
  if (head.data === "") return <p className="text-quiet">It has no lines yet.</p>;
  return <Code label={`The first ${LINES} lines`} text={head.data.slice(0, MOST_SHOWN)} wrap />;
}
