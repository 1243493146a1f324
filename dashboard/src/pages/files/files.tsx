/** Files: what batches are made of, what they have made, and what models are given to read. */
import { keepPreviousData, useQuery, useQueryClient } from "@tanstack/react-query";
import { createColumnHelper, type ColumnDef } from "@tanstack/react-table";
import { getRouteApi } from "@tanstack/react-router";
import { useMemo, useState } from "react";
import { contentAddress, deleteFile, filesQuery, type StoredFile } from "@/api/work";
import { Owner, SwitchedOff, useAllowed } from "@/pages/batches/owner";
import type { FilesSearch } from "@/router";
import { useActing, useCan } from "@/session/session";
import { ahead, bytes, day, exact } from "@/text/format";
import { Button } from "@/ui/button";
import { Confirm } from "@/ui/dialog";
import { Filter, SearchBox } from "@/ui/field";
import { Card, Page } from "@/ui/layout";
import { RowMenu, type Action } from "@/ui/menu";
import { Bones, Empty, Failed, NoPermission } from "@/ui/state";
import { DataTable, Onward } from "@/ui/table";
import { useTitle } from "@/ui/title";
import { toast } from "@/ui/toast";
import { FileDrawer } from "./file-drawer";
import { PURPOSE_OPTIONS, purposeLabel } from "./purposes";
import { save } from "./save";
import { UploadDialog } from "./upload-dialog";

const route = getRouteApi("/shell/files");

export function FilesPage() {
  useTitle("Files");
  return useCan("batches.read") ? <List /> : <NoPermission />;
}

function List() {
  const { q, purpose, by, after, open, upload } = route.useSearch();
  const navigate = route.useNavigate();
  const acting = useActing();
  const everyones = useCan("batches.all") && acting.organization === null;
  const may = useCan("batches.create");
  const allowed = useAllowed();
  const [leaving, setLeaving] = useState<StoredFile | null>(null);
  const files = useQuery({ ...filesQuery({ after, search: q, purpose, member_id: by }), placeholderData: keepPreviousData });
  const columns = useMemo(() => columnsFor(everyones, may, setLeaving), [everyones, may]);
  const narrow = (change: Partial<FilesSearch>) => void navigate({ search: (now) => ({ ...now, after: undefined, ...change }), replace: true });
  const show = (id: string | undefined) => void navigate({ search: (now) => ({ ...now, open: id }) });
  const uploading = (wanted: boolean) => void navigate({ search: (now) => ({ ...now, upload: wanted || undefined }) });
  if (allowed === null) return <SwitchedOff title="Files" />;
  const narrowed = [q, purpose, by].some((each) => each !== undefined);
  const button = may && (
    <Button look="solid" icon="upload" onClick={() => uploading(true)}>
      Upload file
    </Button>
  );
  return (
    <Page
      title="Files"
      description={everyones ? "What batches are made of and what they have made, everyone's." : `What ${acting.organization ? `${acting.organization.name}'s` : "your"} batches are made of and what they have made.`}
      actions={
        <>
          {everyones && <Owner by={by} onChoose={(wanted) => narrow({ by: wanted })} />}
          {button}
        </>
      }
    >
      <div className="mb-4 grid gap-2 sm:flex">
        <SearchBox label="Search file names" className="sm:w-64" value={q ?? ""} onSearch={(wanted) => narrow({ q: wanted || undefined })} />
        <Filter label="Purpose" className="sm:w-48" options={PURPOSE_OPTIONS} value={purpose ?? ""} onChange={(event) => narrow({ purpose: event.target.value || undefined })} />
      </div>
      <Card className="overflow-hidden">
        {files.data ? (
          files.data.data.length > 0 || after !== undefined ? (
            <>
              <DataTable label="Files" rows={files.data.data} columns={columns} keyOf={(file) => file.id} ordered onOpen={(file) => show(file.id)} />
              <Onward
                first={after === undefined}
                more={files.data.has_more}
                onFirst={() => void navigate({ search: (now) => ({ ...now, after: undefined }) })}
                onNext={() => void navigate({ search: (now) => ({ ...now, after: files.data.last_id ?? undefined }) })}
              />
            </>
          ) : narrowed ? (
            <Empty icon="search" title="No files here" action={<Button onClick={() => void navigate({ search: {} })}>Show all of them</Button>}>
              No file fits these filters.
            </Empty>
          ) : (
            <Empty icon="files" title="No files yet" action={button}>
              A file for a batch has one request on each line. What a batch has made can be downloaded here too.
            </Empty>
          )
        ) : files.isError ? (
          <Failed error={files.error} retry={() => void files.refetch()} />
        ) : (
          <Bones />
        )}
      </Card>
      <FileDrawer id={open} windows={allowed?.allowed_completion_windows ?? []} onClose={() => show(undefined)} onDelete={setLeaving} />
      {may && upload && <UploadDialog onClose={() => uploading(false)} onDone={(file) => void navigate({ search: { open: file.id } })} />}
      {leaving && <Deletion file={leaving} onClose={() => setLeaving(null)} onDone={() => open === leaving.id && show(undefined)} />}
    </Page>
  );
}

function Deletion({ file, onClose, onDone }: { file: StoredFile; onClose: () => void; onDone: () => void }) {
  const client = useQueryClient();
  const remove = async () => {
    await deleteFile(file.id);
    onDone();
    await Promise.all(["files", "batches"].map((name) => client.invalidateQueries({ queryKey: [name, "list"] })));
    toast.done(`${file.filename} is deleted.`);
  };
  return (
    <Confirm open onClose={onClose} title={`Delete “${file.filename}”?`} verb="Delete file" act={remove}>
      {file.purpose === "batch" ? "Batches that run over it are canceled. This cannot be undone." : "This cannot be undone."}
    </Confirm>
  );
}

const column = createColumnHelper<StoredFile>();

function columnsFor(everyones: boolean, may: boolean, leave: (file: StoredFile) => void): ColumnDef<StoredFile>[] {
  return [
    column.accessor("filename", {
      header: "Name",
      meta: { className: "max-w-0 w-[40%] max-sm:w-full" },
      cell: ({ row }) => <Name file={row.original} />,
    }),
    column.accessor("purpose", { header: "Purpose", meta: { from: "sm" }, cell: ({ getValue }) => <span className="whitespace-nowrap">{purposeLabel(getValue())}</span> }),
    column.accessor("bytes", { header: "Size", meta: { numeric: true, from: "sm" }, cell: ({ getValue }) => <span className="whitespace-nowrap">{bytes(getValue())}</span> }),
    ...(everyones
      ? [
          column.accessor("created_by_email", {
            header: "Created by",
            meta: { from: "xl", className: "max-w-0 w-[18%]" },
            cell: ({ getValue }) => <span className="block truncate text-quiet">{getValue() ?? "–"}</span>,
          }),
        ]
      : []),
    column.accessor("expires_at", {
      header: "Expires",
      meta: { numeric: true, from: "lg" },
      cell: ({ getValue }) => {
        const moment = getValue();
        return <span className="whitespace-nowrap text-quiet" title={moment === null ? undefined : exact(moment * 1000)}>{moment === null ? "Never" : ahead(moment * 1000)}</span>;
      },
    }),
    column.accessor("created_at", {
      header: "Created",
      meta: { numeric: true, from: "md" },
      cell: ({ getValue }) => <span className="whitespace-nowrap text-quiet" title={exact(getValue() * 1000)}>{day(getValue() * 1000)}</span>,
    }),
    column.display({ id: "actions", header: () => <span className="sr-only">Actions</span>, meta: { className: "w-0" }, cell: ({ row }) => <RowActions file={row.original} may={may} leave={leave} /> }),
  ] as ColumnDef<StoredFile>[];
}

function Name({ file }: { file: StoredFile }) {
  const navigate = route.useNavigate();
  return (
    <div className="min-w-0">
      <button type="button" onClick={() => void navigate({ search: (now) => ({ ...now, open: file.id }) })} className="block max-w-full truncate rounded text-left font-medium hover:text-accent">
        {file.filename}
      </button>
      <span className="block truncate text-[0.9rem] text-quiet sm:hidden">
        {purposeLabel(file.purpose)} · {bytes(file.bytes)} · {day(file.created_at * 1000)}
      </span>
    </div>
  );
}

function RowActions({ file, may, leave }: { file: StoredFile; may: boolean; leave: (file: StoredFile) => void }) {
  const navigate = route.useNavigate();
  const actions: Action[] = [{ label: "Download", icon: "download", onSelect: () => save(contentAddress(file.id), file.filename) }];
  if (may && file.purpose === "batch") {
    actions.unshift({ label: "Create batch", icon: "batches", onSelect: () => void navigate({ to: "/batches", search: { create: true, file: file.id } }) });
  }
  if (may) actions.push({ label: "Delete", icon: "trash", danger: true, onSelect: () => leave(file) });
  return <RowMenu label={`Actions for ${file.filename}`} actions={actions} />;
}
