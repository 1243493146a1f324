/** From an empty server to a working request, in steps that tick themselves off. */
import { useQuery } from "@tanstack/react-query";
import { useState, type ReactNode } from "react";
import { endpointsQuery, keysQuery, modelsQuery, MOST, usableModels } from "@/api/queries";
import type { ApiKey } from "@/api/types";
import { NewEndpointDialog } from "@/pages/endpoints/new-endpoint";
import { latestQuery } from "@/pages/requests/feed";
import { useActing, useCan, useMe } from "@/session/session";
import { useSecret } from "@/session/secrets";
import { plural } from "@/text/format";
import { Button } from "@/ui/button";
import { Page } from "@/ui/layout";
import { Bones, Failed, Note } from "@/ui/state";
import { useTitle } from "@/ui/title";
import { AccessStep } from "./access-step";
import { Arrivals } from "./arrivals";
import { KeyStep } from "./key-step";
import { Step } from "./step";
import { Try } from "./try";

interface Item {
  id: string;
  title: string;
  todo: string;
  done: string;
  isDone: boolean;
  body: ReactNode;
}

export function StartPage() {
  useTitle("Start");
  const me = useMe();
  const acting = useActing();
  const manager = useCan("endpoints.manage");
  const endpoints = useQuery({ ...endpointsQuery, enabled: manager });
  const all = useQuery({ ...modelsQuery({ limit: MOST, include: "groups", sort: "alias", sort_direction: "asc" }), enabled: manager });
  const usable = useQuery(usableModels);
  const keys = useQuery(keysQuery(acting.id));
  const latest = useQuery(latestQuery(5));
  const secret = useSecret();
  const [opened, setOpened] = useState<string | null | undefined>(undefined);
  const [adding, setAdding] = useState(false);
  const [made, setMade] = useState<ApiKey | null>(null);

  const queries = [usable, keys, latest, ...(manager ? [endpoints, all] : [])];
  const failed = queries.find((query) => query.isError && query.data === undefined);
  const loading = queries.some((query) => query.isPending);
  const aliases = usable.data?.data.filter((model) => model.model_type === "CHAT").map((model) => model.alias) ?? [];
  const closed = all.data?.data.filter((model) => model.groups?.length === 0) ?? [];
  const rows = latest.data?.entries ?? [];

  const items: Item[] = [];
  if (manager) {
    const number = endpoints.data?.length ?? 0;
    items.push(
      {
        id: "endpoint",
        title: "Connect a model server",
        todo: "Any server or provider that speaks OpenAI's API.",
        done: `${plural(number, "endpoint")} with ${plural(all.data?.total_count ?? 0, "model")}`,
        isDone: number > 0,
        body: (
          <>
            <p className="mb-4 max-w-xl text-quiet">
              Give its address and, if it wants one, its key. It is asked for its models, and you choose which of them callers may name.
            </p>
            <Button look={number > 0 ? "plain" : "solid"} icon="plus" onClick={() => setAdding(true)}>
              {number > 0 ? "Add another endpoint" : "Add an endpoint"}
            </Button>
          </>
        ),
      },
      {
        id: "access",
        title: "Give access",
        todo: "Decide who may call the models.",
        done: closed.length > 0 ? `${plural(closed.length, "model")} not open to anybody yet` : "Every model is open to somebody",
        isDone: (all.data?.data.length ?? 0) > closed.length,
        body: <AccessStep closed={closed} any={(all.data?.data.length ?? 0) > 0} />,
      },
    );
  }
  items.push(
    {
      id: "key",
      title: "Create a key",
      todo: "What an application shows to call models in your name.",
      done: secret ? `“${secret.name}” is ready to be used` : plural(keys.data?.total_count ?? 0, "key"),
      isDone: (keys.data?.total_count ?? 0) > 0,
      body: (
        <KeyStep
          models={aliases}
          count={keys.data?.total_count ?? 0}
          made={made}
          onMade={(key) => {
            // The step is done with this, and has to stay open: the secret is shown once.
            setOpened("key");
            setMade(key);
          }}
          onNext={() => setOpened("send")}
        />
      ),
    },
    {
      id: "send",
      title: "Send a request",
      todo: "From here, or from your own program.",
      done: "The gateway answers",
      isDone: rows.length > 0,
      body:
        aliases.length > 0 ? (
          <Try models={aliases} />
        ) : (
          <Note tone="info">{manager ? "No chat model is open to you yet. Connect a server and give access first." : "No chat model is open to you yet. Ask an administrator for access to one."}</Note>
        ),
    },
    {
      id: "watch",
      title: "Watch it arrive",
      todo: "Each call becomes a row that tells everything about it.",
      done: "Requests are arriving",
      isDone: rows.length > 0,
      body: <Arrivals rows={rows} />,
    },
  );
  const done = items.filter((item) => item.isDone).length;
  const now = items.find((item) => !item.isDone)?.id;
  // Whoever has sent a request wants to see it arrive: both stay open until something else is chosen.
  const isOpen = (item: Item) => (opened === undefined ? item.id === (now ?? "watch") || (now === undefined && item.id === "send") : item.id === opened || (opened === "send" && item.id === "watch"));

  return (
    <Page
      title={now === undefined ? "Everything works" : manager ? "Get to your first request" : `Welcome${me.display_name ? `, ${me.display_name}` : ""}`}
      description={now === undefined ? "Requests go through. Come back here to try a model or to add another one." : "A few steps from here to an answer from a model, through your own gateway."}
    >
      <div className="max-w-[52rem]">
        {failed ? (
          <Failed error={failed.error} retry={() => void failed.refetch()} />
        ) : loading ? (
          <Bones />
        ) : (
          <>
            <Progress done={done} all={items.length} />
            <ol>
              {items.map((item, at) => (
                <Step
                  key={item.id}
                  number={at + 1}
                  title={item.title}
                  summary={item.isDone ? item.done : item.todo}
                  state={item.isDone ? "done" : item.id === now ? "now" : "later"}
                  open={isOpen(item)}
                  onToggle={() => setOpened(isOpen(item) && item.id === (opened ?? now ?? "watch") ? null : item.id)}
                  last={at === items.length - 1}
                >
                  {item.body}
                </Step>
              ))}
            </ol>
          </>
        )}
      </div>
      <NewEndpointDialog open={adding} onClose={() => setAdding(false)} />
    </Page>
  );
}

function Progress({ done, all }: { done: number; all: number }) {
  return (
    <div className="mb-5 flex items-center gap-3">
      <div className="flex flex-1 gap-1 sm:max-w-64" aria-hidden="true">
        {Array.from({ length: all }, (_, at) => (
          <span key={at} className={at < done ? "h-1.5 flex-1 rounded-full bg-good" : "h-1.5 flex-1 rounded-full bg-line"} />
        ))}
      </div>
      <span className="text-[0.93rem] text-quiet tabular-nums">
        {done} of {all} done
      </span>
    </div>
  );
}
