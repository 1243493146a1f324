/** The tools that the server runs for models. */
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { createColumnHelper, type ColumnDef } from "@tanstack/react-table";
import { getRouteApi, Link } from "@tanstack/react-router";
import { useMemo, useState } from "react";
import { api } from "@/api/client";
import { toolsQuery } from "@/api/queries";
import type { ToolSource } from "@/api/types";
import { useCan } from "@/session/session";
import { day, plural } from "@/text/format";
import { Button } from "@/ui/button";
import { Confirm } from "@/ui/dialog";
import { SearchBox } from "@/ui/field";
import { Icon } from "@/ui/icon";
import { Badge, Card, Page } from "@/ui/layout";
import { RowMenu } from "@/ui/menu";
import { Bones, Empty, Failed, NoPermission, Note } from "@/ui/state";
import { DataTable } from "@/ui/table";
import { useTitle } from "@/ui/title";
import { toast } from "@/ui/toast";
import { ToolDialog } from "./tool-dialog";

const route = getRouteApi("/shell/tools");

type Doing = { what: "edit" | "delete"; tool: ToolSource };

export function ToolsPage() {
  useTitle("Tools");
  return useCan("tools.manage") ? <List /> : <NoPermission />;
}

function List() {
  const { q = "", order = "name", create } = route.useSearch();
  const navigate = route.useNavigate();
  const client = useQueryClient();
  const tools = useQuery(toolsQuery);
  const [doing, setDoing] = useState<Doing | null>(null);
  const columns = useMemo(() => columnsFor(setDoing), []);
  const remove = async (tool: ToolSource) => {
    await api.delete("/admin/api/v1/tool-sources/{source_id}", { path: { source_id: tool.id } });
    await client.invalidateQueries({ queryKey: ["tools"] });
    toast.done(`${tool.name} is deleted.`);
  };
  const creating = (open: boolean) => void navigate({ search: (now) => ({ ...now, create: open || undefined }) });
  const found = tools.data?.filter((each) => `${each.name} ${each.url} ${each.description ?? ""}`.toLowerCase().includes(q.toLowerCase()));
  const add = (
    <Button look="solid" icon="plus" onClick={() => creating(true)}>
      Add tool
    </Button>
  );
  return (
    <Page title="Tools" description="What models may call and the server runs for them." actions={add}>
      {tools.data && tools.data.length > 0 && (
        <SearchBox label="Search tools" className="mb-4 sm:w-72" value={q} onSearch={(wanted) => void navigate({ search: (now) => ({ ...now, q: wanted || undefined }), replace: true })} />
      )}
      {tools.data?.some(isIdle) && (
        <Note tone="info" className="mb-4">
          <p>
            A call has a tool when its model has it and a group of its account has it too. Attach tools under Tools of{" "}
            <Link to="/models" className="rounded underline">
              a model
            </Link>{" "}
            and of{" "}
            <Link to="/groups" className="rounded underline">
              a group
            </Link>
            .
          </p>
        </Note>
      )}
      <Card className="overflow-hidden">
        {found ? (
          found.length > 0 ? (
            <DataTable label="Tools" rows={found} columns={columns} keyOf={(each) => each.id} order={order} onOrder={(next) => void navigate({ search: (now) => ({ ...now, order: next }), replace: true })} onOpen={(tool) => setDoing({ what: "edit", tool })} />
          ) : q ? (
            <Empty icon="search" title="No tool found">No tool is called “{q}”.</Empty>
          ) : (
            <Empty icon="tools" title="No tools yet" action={add}>
              Connect something behind HTTP, such as a search or a price list. On <code className="font-mono text-[0.92rem]">/ai/v1/responses</code> models call it, and the server runs it and asks them again with the result.
            </Empty>
          )
        ) : tools.isError ? (
          <Failed error={tools.error} retry={() => void tools.refetch()} />
        ) : (
          <Bones />
        )}
      </Card>
      {create && <ToolDialog onClose={() => creating(false)} />}
      {doing?.what === "edit" && <ToolDialog key={doing.tool.id} tool={doing.tool} onClose={() => setDoing(null)} />}
      {doing?.what === "delete" && (
        <Confirm open onClose={() => setDoing(null)} title={`Delete “${doing.tool.name}”?`} verb="Delete tool" act={() => remove(doing.tool)}>
          Models and groups lose it. Calls under way keep the tools that they began with.
        </Confirm>
      )}
    </Page>
  );
}

/** No call can have it. */
function isIdle(tool: ToolSource): boolean {
  return tool.model_count === 0 || tool.group_count === 0;
}

function attachedTo(tool: ToolSource): string {
  return `${plural(tool.model_count, "model")}, ${plural(tool.group_count, "group")}`;
}

const column = createColumnHelper<ToolSource>();

function columnsFor(act: (doing: Doing) => void): ColumnDef<ToolSource>[] {
  return [
    column.accessor("name", {
      header: "Name",
      meta: { className: "max-w-0 w-[40%] max-sm:w-full" },
      cell: ({ row: { original: tool } }) => (
        <div className="min-w-0">
          <button type="button" className="block max-w-full truncate rounded text-left font-medium hover:text-accent" onClick={() => act({ what: "edit", tool })}>
            {tool.name}
          </button>
          <span className="block text-[0.9rem] text-quiet sm:hidden">{attachedTo(tool)}</span>
          <span className="block truncate text-[0.9rem] text-quiet">{tool.description ?? <span className="font-mono text-[0.88rem]">{tool.url}</span>}</span>
        </div>
      ),
    }),
    column.display({
      id: "key",
      header: "Key",
      meta: { from: "md" },
      cell: ({ row: { original: tool } }) =>
        tool.has_api_key ? (
          <span className="inline-flex items-center gap-1.5 text-quiet">
            <Icon name="lock" className="size-4" /> Sealed
          </span>
        ) : (
          <span className="text-quiet">None</span>
        ),
    }),
    column.display({
      id: "had",
      header: "Attached to",
      meta: { from: "sm" },
      cell: ({ row: { original: tool } }) => (
        <span className="inline-flex flex-wrap items-center gap-x-2 whitespace-nowrap">
          {attachedTo(tool)}
          {isIdle(tool) && <Badge tone="warn">No call has it</Badge>}
        </span>
      ),
    }),
    column.accessor("timeout_secs", { header: "May take", meta: { numeric: true, from: "lg" }, cell: ({ getValue }) => `${getValue()} s` }),
    column.accessor("created_at", { header: "Added", meta: { from: "md", numeric: true }, cell: ({ getValue }) => <span className="whitespace-nowrap text-quiet">{day(getValue())}</span> }),
    column.display({
      id: "actions",
      header: () => <span className="sr-only">Actions</span>,
      meta: { className: "w-12 text-right" },
      cell: ({ row: { original: tool } }) => (
        <RowMenu
          label={`Actions for ${tool.name}`}
          actions={[
            { label: "Edit", icon: "edit", onSelect: () => act({ what: "edit", tool }) },
            { label: "Delete", icon: "trash", danger: true, onSelect: () => act({ what: "delete", tool }) },
          ]}
        />
      ),
    }),
  ] as ColumnDef<ToolSource>[];
}
