/** The items of a call: what it was given, what came of it, what it could call and what it used. */
import type { Schemas } from "@/api/client";
import { count, duration } from "@/text/format";
import { cx } from "@/ui/classes";
import { Badge, Facts } from "@/ui/layout";
import { Note } from "@/ui/state";
import { Piece } from "./conversation-view";
import { calledIn } from "./timeline";
import { given, made, tools, type Item } from "./items";

const TONES: Record<string, "good" | "warn" | "accent"> = { completed: "good", incomplete: "warn", failed: "warn", in_progress: "accent" };

export function Items({ detail }: { detail: Schemas["RequestDetail"] }) {
  const before = given(detail.request_body);
  const after = made(detail.response);
  const offered = tools(detail.request_body);
  if (before.length === 0 && after.length === 0) {
    return (
      <Note tone="info">{detail.request_body === null && detail.response_body === null ? "The bodies of this call were not recorded." : "This call has no items. Its bodies are under JSON."}</Note>
    );
  }
  return (
    <div className="space-y-7">
      {before.length > 0 && <Group title="Input" items={before} />}
      {after.length > 0 && <Group title="Output" items={after} called={detail.tool_calls} />}
      {offered.length > 0 && (
        <section>
          <h3 className="mb-2 font-medium">Tools it could call</h3>
          <ul className="space-y-1.5">
            {offered.map(({ name, about }, at) => (
              <li key={at} className="[overflow-wrap:anywhere]">
                <span className="font-mono text-[0.92rem]">{name}</span>
                {about && <span className="text-quiet"> · {about}</span>}
              </li>
            ))}
          </ul>
        </section>
      )}
      {detail.total_tokens !== null && (
        <section>
          <h3 className="mb-3 font-medium">Usage</h3>
          <Facts
            facts={[
              ["Input tokens", count(detail.prompt_tokens)],
              ["of which cached", count(detail.cached_tokens)],
              ["Output tokens", count(detail.completion_tokens)],
              ["of which reasoning", count(detail.reasoning_tokens)],
              ["Together", count(detail.total_tokens)],
            ]}
          />
        </section>
      )}
    </div>
  );
}

function Group({ title, items, called = [] }: { title: string; items: readonly Item[]; called?: Schemas["RequestDetail"]["tool_calls"] }) {
  const runs = new Map(called.map((each) => [each.item_id, each]));
  return (
    <section>
      <h3 className="mb-2 font-medium">{title}</h3>
      <ol aria-label={`${title} items`} className="space-y-3">
        {items.map((item, at) => (
          <li key={at} className={cx("rounded-lg border px-4 py-3", title === "Input" ? "border-transparent bg-sunken [&_pre]:bg-surface" : "border-line")}>
            <div className="mb-2 flex flex-wrap items-center gap-x-3 gap-y-1">
              <h4 className="font-medium">{item.label}</h4>
              {item.status && <Badge tone={TONES[item.status] ?? "plain"}>{item.status.replaceAll("_", " ")}</Badge>}
              <Run run={runs.get(item.id)} />
              {(item.callId ?? item.id) && <span className="min-w-0 font-mono text-[0.85rem] text-quiet [overflow-wrap:anywhere]">{item.callId ?? item.id}</span>}
            </div>
            <div className="space-y-3">
              {item.parts.map((part, index) => (
                <Piece key={index} part={part} />
              ))}
              {item.parts.length === 0 && <p className="text-quiet">Nothing.</p>}
            </div>
          </li>
        ))}
      </ol>
    </section>
  );
}

/** What became of a call that the server ran itself. */
function Run({ run }: { run: Schemas["ToolCall"] | undefined }) {
  if (!run) return null;
  const ok = run.outcome === "ok";
  return (
    <Badge tone={ok ? "plain" : "warn"}>
      {ok ? "Run by the server" : calledIn(run.outcome)}, {duration(run.latency_ms)}
    </Badge>
  );
}
