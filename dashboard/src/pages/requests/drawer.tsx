/** One call: the conversation, what was measured, and the bytes. */
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import type { Schemas } from "@/api/client";
import type { CALL_TABS } from "@/router";
import { useActing } from "@/session/session";
import { bytes, count, duration, exact } from "@/text/format";
import { Button } from "@/ui/button";
import { Code, CopyText } from "@/ui/copy";
import { Drawer } from "@/ui/dialog";
import { Facts, TabPanel, Tabs } from "@/ui/layout";
import { Bones, Failed, Note } from "@/ui/state";
import { CancelCall, mayCancel } from "./cancel";
import { Conversation } from "./conversation-view";
import { asked, answered, pretty } from "./conversation";
import { Cost, costInWords, Tokens } from "./cost";
import { requestQuery } from "./feed";
import { Items } from "./items-view";
import { kind } from "./rows";
import { StatusBadge } from "./status";
import { CallTimeline } from "./timeline-view";

type Detail = Schemas["RequestDetail"];
export type Tab = (typeof CALL_TABS)[number];

const TABS = [
  { id: "conversation", label: "Conversation" },
  { id: "items", label: "Items" },
  { id: "timeline", label: "Timeline" },
  { id: "details", label: "Details" },
  { id: "json", label: "JSON" },
] as const;

interface Props {
  id: string | undefined;
  tab: Tab;
  onTab: (tab: Tab) => void;
  onClose: () => void;
}

export function RequestDrawer({ id, tab, onTab, onClose }: Props) {
  const query = useQuery({ ...requestQuery(id ?? ""), enabled: id !== undefined });
  const detail = query.data;
  const acting = useActing();
  return (
    <Drawer open={id !== undefined} onClose={onClose} title={detail?.model ?? "Request"} description={detail ? `${kind(detail)}, ${exact(detail.timestamp)}` : "Loading"} footer={detail && mayCancel(detail, acting.id) && <CancelCall key={detail.id} call={detail} />}>
      {detail ? (
        <>
          <div className="px-5 pt-4">
            <Figures detail={detail} />
          </div>
          <Tabs label="Views of the request" tabs={TABS} current={tab} onSelect={onTab} className="sticky top-0 z-10 mt-3 bg-surface px-5" />
          <TabPanel tab={tab} className="px-5 py-5">
            {tab === "conversation" && <Talk detail={detail} />}
            {tab === "items" && <Items detail={detail} />}
            {tab === "timeline" && <CallTimeline detail={detail} />}
            {tab === "details" && <Details detail={detail} />}
            {tab === "json" && <Raw detail={detail} />}
          </TabPanel>
        </>
      ) : query.isError ? (
        <Failed error={query.error} retry={() => void query.refetch()} />
      ) : (
        <Bones />
      )}
    </Drawer>
  );
}

function Figures({ detail }: { detail: Detail }) {
  const figures = [
    ["Status", <StatusBadge key="status" entry={detail} />],
    ["Latency", duration(detail.duration_ms)],
    ["First token", duration(detail.duration_to_first_byte_ms)],
    ["Tokens", <Tokens key="tokens" entry={detail} />],
    ["Cost", <Cost key="cost" entry={detail} />],
  ] as const;
  return (
    <dl className="grid grid-cols-2 gap-px overflow-hidden rounded-lg border border-line sm:grid-cols-[repeat(4,minmax(0,1fr))_minmax(0,1.35fr)]">
      {figures.map(([name, value]) => (
        <div key={name} className="min-w-0 px-3.5 py-2.5 shadow-[0_0_0_1px_var(--line)] max-sm:last:col-span-2">
          <dt className="text-[0.88rem] text-quiet">{name}</dt>
          <dd className="mt-0.5 font-medium tabular-nums [overflow-wrap:anywhere]">{value}</dd>
        </div>
      ))}
    </dl>
  );
}

function Talk({ detail }: { detail: Detail }) {
  const before = asked(detail.request_body);
  const after = answered(detail.response);
  if (before.length === 0 && after.length === 0) {
    return (
      <Note tone="info">
        {detail.request_body === null && detail.response_body === null
          ? "The bodies of this call were not recorded."
          : "This call is not a conversation. Its bodies are under JSON."}
      </Note>
    );
  }
  return (
    <>
      <Conversation turns={[...before, ...after]} />
      {detail.error_message && after.length === 0 && (
        <Note tone="bad" className="mt-4">
          {detail.error_message}
        </Note>
      )}
      {detail.status === "in_progress" && <p className="mt-4 text-quiet">The answer is still being written.</p>}
    </>
  );
}

function Details({ detail }: { detail: Detail }) {
  const facts: (readonly [string, ReactNode])[] = [
    ["ID", <CopyText key="id" text={detail.id} label="Copy the ID" />],
    ["Route", <span key="route" className="font-mono text-[0.92rem]">{detail.method} {detail.uri}</span>],
    ["Key", detail.key_name ? `${detail.key_name} (${detail.key_prefix ?? ""}…)` : "Session"],
    ["Owner", detail.user_email ?? "–"],
    ["Input tokens", withPart(detail.prompt_tokens, detail.cached_tokens, "cached")],
    ["Output tokens", withPart(detail.completion_tokens, detail.reasoning_tokens, "reasoning")],
    ["Ended because", detail.finish_reason ?? "–"],
    ["Service tier", detail.background ? `${detail.service_tier}, in the background` : detail.service_tier],
    ["Sent and received", `${bytes(detail.request_size)} in, ${bytes(detail.response_size)} out`],
    ["Client", detail.user_agent ?? "–"],
  ];
  if (detail.custom_id !== null) {
    facts.push(
      ["Custom id", detail.custom_id],
      [
        "Batch",
        <Link key="batch" to="/batches/$batchId" params={{ batchId: detail.fusillade_batch_id ?? "" }} className="rounded text-accent hover:underline">
          Show it
        </Link>,
      ],
    );
  }
  if (detail.usage_estimated) facts.push(["Tokens", "Estimated: the model server did not report them all"]);
  facts.push(["Cost", costInWords(detail)]);
  if (detail.endpoint_name) {
    facts.push(
      ["Endpoint", detail.endpoint_name],
      ["Model at the endpoint", detail.target_model ?? "–"],
      ["Status of the endpoint", detail.upstream_status ?? "–"],
      ["Time spent in the gateway", duration(detail.overhead_ms)],
    );
  }
  return (
    <>
      {(detail.error_code ?? detail.error_message) && (
        <Note tone="bad" className="mb-5">
          {detail.error_code && <span className="block font-mono text-[0.92rem]">{detail.error_code}</span>}
          {detail.error_message}
        </Note>
      )}
      <Facts facts={facts} />
      <div className="mt-6">
        <Button size="sm" asChild>
          <Link to="/requests" search={(now) => ({ ...now, model: detail.model, open: undefined, tab: undefined })}>
            Other requests to this model
          </Link>
        </Button>
      </div>
    </>
  );
}

function withPart(whole: number | null, part: number | null, name: string): string {
  return part ? `${count(whole)}, of which ${count(part)} ${name}` : count(whole);
}

/** Longer texts make the page slow; the API gives them whole. */
const MOST_SHOWN = 200_000;

function Raw({ detail }: { detail: Detail }) {
  const whole = JSON.stringify(detail.response, null, 2);
  return (
    <div className="space-y-5">
      <Body title="Request" text={pretty(detail.request_body)} />
      <Body title="Response" text={detail.streamed ? whole : pretty(detail.response_body)} />
      {detail.streamed && detail.response_body !== null && (
        <details>
          <summary className="mb-2 rounded font-medium">Events as they were streamed</summary>
          <Code label="Events" text={detail.response_body.slice(0, MOST_SHOWN)} wrap />
        </details>
      )}
    </div>
  );
}

function Body({ title, text }: { title: string; text: string }) {
  return (
    <section>
      <h3 className={text === "" ? "mb-1 font-medium" : "sr-only"}>{title}</h3>
      {text === "" ? <p className="text-quiet">Not recorded.</p> : <Code label={title} text={text.slice(0, MOST_SHOWN)} wrap />}
      {text.length > MOST_SHOWN && <p className="mt-2 text-quiet">Only the beginning is shown.</p>}
    </section>
  );
}
