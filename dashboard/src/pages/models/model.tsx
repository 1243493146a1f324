/** One model: what it is, how to call it, and for managers all that can be changed of it. */
import { useQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { modelQuery } from "@/api/queries";
import type { Model } from "@/api/types";
import { useSecret } from "@/session/secrets";
import { useCan } from "@/session/session";
import { ToolSwitches } from "@/pages/tools/tool-switches";
import { Snippets } from "@/pages/start/snippets";
import { Try } from "@/pages/start/try";
import { Badge, Card, Page, TabPanel, Tabs } from "@/ui/layout";
import { Bones, Failed, Note } from "@/ui/state";
import { useTitle } from "@/ui/title";
import { AccessTab } from "./access-tab";
import { LimitsTab } from "./limits-tab";
import { Overview } from "./overview";
import { PoolTab } from "./pool-tab";
import { PricesTab } from "./prices-tab";
import { SettingsTab } from "./settings-tab";
import { typeLabel } from "./words";

const route = getRouteApi("/shell/models/$modelId");

export function ModelPage() {
  const { modelId } = route.useParams();
  const query = useQuery(modelQuery(modelId));
  const model = query.data;
  useTitle(model?.alias ?? "Model");
  return (
    <Page
      title={model?.alias ?? "Model"}
      back={{ to: "/models", label: "Models" }}
      description={model?.display_name}
      badge={
        model && (
          <>
            <Badge>{model.is_composite ? "Pool" : typeLabel(model.model_type)}</Badge>
            {!model.active && <Badge tone="warn">Not listed by its server</Badge>}
          </>
        )
      }
    >
      {model ? (
        <Body key={model.id} model={model} />
      ) : query.isError ? (
        <Failed error={query.error} retry={() => void query.refetch()} />
      ) : (
        <Bones />
      )}
    </Page>
  );
}

function Body({ model }: { model: Model }) {
  const manager = useCan("models.manage");
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const tabs = [
    { id: "overview", label: "Overview", open: true },
    { id: "use", label: "Use it", open: true },
    { id: "pool", label: "Pool", open: manager && model.is_composite === true, count: model.components?.length },
    { id: "prices", label: "Prices", open: true },
    { id: "access", label: "Access", open: manager, count: model.groups?.length },
    { id: "tools", label: "Tools", open: manager },
    { id: "limits", label: "Limits and rules", open: manager },
    { id: "settings", label: "Settings", open: manager },
  ] as const;
  const open = tabs.filter((tab) => tab.open);
  const tab = open.find((each) => each.id === search.tab)?.id ?? "overview";
  return (
    <>
      {manager && model.groups?.length === 0 && tab !== "access" && (
        <Note tone="warn" className="mb-4">
          Nobody may call this model yet. Open it to a group under Access.
        </Note>
      )}
      {manager && model.is_composite && model.components?.length === 0 && tab !== "pool" && (
        <Note tone="warn" className="mb-4">
          This pool is empty: it answers nothing until it has models.
        </Note>
      )}
      <Tabs label="Views of the model" tabs={open} current={tab} onSelect={(id) => void navigate({ search: { tab: id === "overview" ? undefined : id }, replace: true })} className="mb-5" />
      <TabPanel tab={tab}>
        {tab === "overview" && <Overview model={model} />}
        {tab === "use" && <UseTab model={model} />}
        {tab === "pool" && <PoolTab model={model} />}
        {tab === "prices" && <PricesTab model={model} />}
        {tab === "access" && <AccessTab model={model} />}
        {tab === "tools" && (
          <Card title="Tools that it may call">
            <ToolSwitches place="model" id={model.id} />
          </Card>
        )}
        {tab === "limits" && <LimitsTab model={model} />}
        {tab === "settings" && <SettingsTab model={model} />}
      </TabPanel>
    </>
  );
}

function UseTab({ model }: { model: Model }) {
  const secret = useSecret();
  return (
    <div className="grid grid-cols-1 items-start gap-5 xl:grid-cols-2">
      {model.model_type === "CHAT" && (
        <Card title="Try it">
          <div className="p-5">
            <Try models={[model.alias]} fixed />
          </div>
        </Card>
      )}
      <Card title="Call it from a program">
        <div className="p-5">
          <Snippets secret={secret?.secret} model={model.alias} />
        </div>
      </Card>
    </div>
  );
}
