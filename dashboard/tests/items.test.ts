import { describe, expect, it } from "vitest";
import { given, made, tools } from "../src/pages/requests/items";
import { events } from "../src/pages/requests/stream";
import { happenings } from "../src/pages/requests/timeline";

const seen = (items: ReturnType<typeof given>) => items.map(({ label, parts }) => `${label}: ${parts.map((part) => part.text).join(" | ")}`);

describe("items", () => {
  it("of a request are its instructions and its input", () => {
    expect(seen(given(JSON.stringify({ instructions: "Be brief.", input: "Hello" })))).toEqual(["System message: Be brief.", "User message: Hello"]);
    const input = [
      { role: "user", content: [{ type: "input_text", text: "What?" }, { type: "input_image", image_url: "https://x/y.png" }] },
      { type: "reasoning", id: "rs_1", summary: [{ type: "summary_text", text: "Hm." }] },
      { type: "function_call", call_id: "c", name: "f", arguments: '{"a":1}' },
      { type: "function_call_output", call_id: "c", output: '{"b":2}' },
      { type: "function_call_output", call_id: "d", output: [{ type: "output_text", text: "plain" }] },
      { type: "item_reference", id: "msg_1" },
    ];
    const items = given(JSON.stringify({ input }));
    expect(seen(items.slice(0, 2))).toEqual(["User message: What? | Image at https://x/y.png", "Reasoning: Hm."]);
    expect(items[2]).toMatchObject({ label: "Tool call", callId: "c", parts: [{ kind: "call", name: "f", text: '{\n  "a": 1\n}' }] });
    expect(items[3]).toMatchObject({ label: "Tool output", callId: "c", parts: [{ kind: "code", text: '{\n  "b": 2\n}' }] });
    expect(items[4]?.parts).toEqual([{ kind: "text", text: "plain" }]);
    expect(items[5]).toMatchObject({ label: "Reference to an item", id: "msg_1" });
  });

  it("of a chat are its messages, with calls of tools on their own", () => {
    const messages = [
      { role: "system", content: "Be brief." },
      { role: "assistant", content: null, reasoning_content: "Hm.", tool_calls: [{ id: "c", function: { name: "f", arguments: "{}" } }] },
      { role: "tool", tool_call_id: "c", content: "cold" },
    ];
    expect(seen(given(JSON.stringify({ messages })))).toEqual(["System message: Be brief.", "Reasoning: Hm.", "Tool call: {}", "Tool output: cold"]);
  });

  it("of an answer keep their ids and states, and what is unknown is shown as it is", () => {
    const output = [
      { type: "message", id: "msg_1", role: "assistant", status: "completed", content: [{ type: "output_text", text: "Hi" }] },
      { type: "hologram_call", id: "h_1", beam: 3 },
    ];
    const items = made({ output });
    expect(items[0]).toMatchObject({ label: "Answer", id: "msg_1", status: "completed" });
    expect(items[1]?.label).toBe("hologram call");
    expect(items[1]?.parts[0]).toMatchObject({ kind: "code" });
    expect(items[1]?.parts[0]?.text).toContain('"beam": 3');
  });

  it("of tools that the server ran are a call and its result in one", () => {
    const item = { type: "mcp_call", id: "mcp_1", status: "completed", name: "weather", arguments: '{"city":"Ulm"}', output: '{"sun":true}' };
    expect(made({ output: [item, { ...item, output: "Error: none." }, { ...item, output: null }] }).map(({ label, parts }) => [label, ...parts.map((part) => `${part.kind} ${part.text.replace(/\s+/g, "")}`)])).toEqual([
      ["Tool call", 'call {"city":"Ulm"}', 'code {"sun":true}'],
      ["Tool call", 'call {"city":"Ulm"}', "text Error:none."],
      ["Tool call", 'call {"city":"Ulm"}'],
    ]);
  });

  it("are none where nothing can be read", () => {
    for (const body of [null, "", "[]", "{", '{"input": 3}']) expect(given(body)).toEqual([]);
    for (const answer of [null, undefined, {}, { output: "x" }]) expect(made(answer)).toEqual([]);
  });

  it("know the tools of both APIs", () => {
    const body = JSON.stringify({ tools: [{ type: "function", name: "f", description: "F" }, { type: "function", function: { name: "g" } }, { type: "web_search" }] });
    expect(tools(body)).toEqual([
      { name: "f", about: "F" },
      { name: "g", about: "" },
      { name: "web_search", about: "" },
    ]);
  });
});

const call = {
  timestamp: "2026-01-01T00:00:00Z",
  status: "completed" as const,
  status_code: 200,
  started_at: "2026-01-01T00:00:00Z",
  completed_at: "2026-01-01T00:00:02Z",
  deadline: null,
  attempt: 1,
  attempts: [],
  duration_to_first_byte_ms: 250,
  duration_ms: 2000,
  error_code: null,
  error_message: null,
  streamed: true,
  tool_calls: [],
};
const labels = (of: Parameters<typeof happenings>[0], now = Date.parse("2026-01-01T00:00:01Z")) => happenings(of, now).map(({ label, ahead }) => (ahead ? `${label}…` : label));

describe("the events of a stream", () => {
  it("say how many they were and what they tell of", () => {
    const step = { type: "response.created", first: 0, last: 0, output_index: null, item_type: null, item_name: null, at: "2026-01-01T00:00:00Z", last_at: "2026-01-01T00:00:00Z" };
    const steps = [
      step,
      { ...step, type: "response.output_item.added", first: 2, last: 2, output_index: 0, item_type: "mcp_call", item_name: "weather" },
      { ...step, type: "response.output_text.delta", first: 3, last: 1502, output_index: 1, at: null },
      { ...step, type: "response.completed", first: 1503, last: 1503 },
    ];
    expect(events(steps).map(({ label, mark, note, tone }) => [label, mark, note, tone])).toEqual([
      ["created", "0", undefined, "plain"],
      ["output_item.added", "2", "tool call · weather", "plain"],
      ["output_text.delta", "3–1502", "1,500 events", "plain"],
      ["completed", "1503", undefined, "good"],
    ]);
    expect(events(steps)[2]?.at).toBeNaN();
  });
});

describe("the timeline", () => {
  it("has the tools that the server ran, where they began", () => {
    const tool = { attempt: 1, name: "weather", tool_source_id: null, outcome: "ok", latency_ms: 100, ended_at: "2026-01-01T00:00:00.150Z", item_id: null };
    const found = happenings({ ...call, duration_to_first_byte_ms: 200, tool_calls: [tool, { ...tool, outcome: "timeout", ended_at: "2026-01-01T00:00:00.350Z" }] });
    expect(found.map(({ label }) => label)).toEqual(["Accepted", "Called weather", "First token", "Called weather", "Completed"]);
    expect([found[1]?.note, found[3]?.note]).toEqual(["Took 100 ms", "No answer in time · Took 100 ms"]);
  });

  it("of a call that was made at once", () => {
    expect(labels(call)).toEqual(["Accepted", "First token", "Completed"]);
    expect(labels({ ...call, status: "cancelled", status_code: 499, duration_to_first_byte_ms: null })).toEqual(["Accepted", "The client left"]);
    expect(labels({ ...call, status: "in_progress", completed_at: null, duration_to_first_byte_ms: null })).toEqual(["Accepted"]);
  });

  it("of a queued call has its tries and its deadline", () => {
    const queued = { ...call, status: "queued" as const, started_at: null, completed_at: null, duration_to_first_byte_ms: null, deadline: "2026-01-01T01:00:00Z" };
    expect(labels(queued)).toEqual(["Accepted and queued", "Deadline…"]);
    expect(labels({ ...queued, started_at: "2026-01-01T00:00:01Z" })).toEqual(["Accepted and queued", "Started", "Deadline…"]);
    const attempts = [{ attempt: 1, started_at: "2026-01-01T00:00:01Z", ended_at: "2026-01-01T00:00:02Z", status_code: 500, error_code: null, error_message: "No." }];
    const second = { ...queued, attempt: 2, attempts, started_at: "2026-01-01T00:00:05Z", completed_at: "2026-01-01T00:00:06Z", status: "failed" as const, error_message: "No." };
    expect(labels(second)).toEqual(["Accepted and queued", "Try 1 began", "Try 1 failed", "Try 2 began", "Failed"]);
    expect(happenings(second)[2]?.note).toBe("500 · No.");
  });
});
