import { describe, expect, it } from "vitest";
import { answered, asked, pretty } from "../src/pages/requests/conversation";

const turns = (body: unknown) => asked(JSON.stringify(body));

describe("asked", () => {
  it("reads chat messages, with parts and calls of tools", () => {
    const found = turns({
      messages: [
        { role: "system", content: "Be brief" },
        { role: "user", content: [{ type: "text", text: "What is this?" }, { type: "image_url", image_url: { url: "https://example.com/a.png" } }] },
        { role: "assistant", content: null, tool_calls: [{ function: { name: "look", arguments: "{}" } }] },
        { role: "tool", content: "A cat" },
      ],
    });
    expect(found.map((turn) => turn.role)).toEqual(["system", "user", "assistant", "tool"]);
    expect(found[1]?.parts).toEqual([
      { kind: "text", text: "What is this?" },
      { kind: "image", text: "Image at https://example.com/a.png" },
    ]);
    expect(found[2]?.parts).toEqual([{ kind: "call", name: "look", text: "{}" }]);
  });

  it("reads prompts, inputs and instructions", () => {
    expect(turns({ prompt: "Once" })[0]?.parts).toEqual([{ kind: "text", text: "Once" }]);
    expect(turns({ input: ["one", "two"] })).toHaveLength(2);
    expect(turns({ instructions: "Be kind", input: "Hello" }).map((turn) => turn.role)).toEqual(["system", "user"]);
    expect(turns({ input: [{ role: "user", content: [{ type: "input_text", text: "Hi" }] }] })[0]?.parts).toEqual([{ kind: "text", text: "Hi" }]);
  });

  it("is quiet about what it does not understand", () => {
    for (const body of [null, "", "{", "[]", '"x"', '{"messages":7}', '{"input":[[1,2]]}']) expect(() => asked(body)).not.toThrow();
    expect(asked("{")).toEqual([]);
  });
});

describe("answered", () => {
  it("reads messages, reasoning and calls of functions", () => {
    const found = answered({
      output: [
        { type: "reasoning", summary: [{ type: "summary_text", text: "Hm" }] },
        { type: "message", role: "assistant", content: [{ type: "output_text", text: "Hello" }] },
        { type: "function_call", name: "look", arguments: "{}" },
      ],
      error: null,
    });
    expect(found.flatMap((turn) => turn.parts.map((part) => part.kind))).toEqual(["reasoning", "text", "call"]);
  });

  it("shows an error as the answer", () => {
    expect(answered({ output: [], error: { code: "x", message: "No." } })[0]?.parts).toEqual([{ kind: "error", text: "No." }]);
  });
});

describe("pretty", () => {
  it("indents JSON and leaves other text alone", () => {
    expect(pretty('{"a":1}')).toBe('{\n  "a": 1\n}');
    expect(pretty("data: x")).toBe("data: x");
    expect(pretty(null)).toBe("");
  });
});
