import { describe, expect, it } from "vitest";
import { deltaOf, EventReader } from "../src/text/sse";

const STREAM = 'data: {"a":1}\n\n: a comment\n\ndata: first\ndata: second\r\n\r\nevent: x\rdata:no blank\r\rdata: [DONE]\n\n';
const EVENTS = ['{"a":1}', "first\nsecond", "no blank", "[DONE]"];

function read(pieces: string[]): string[] {
  const reader = new EventReader();
  return pieces.flatMap((piece) => reader.push(piece));
}

describe("EventReader", () => {
  it("reads a whole stream", () => {
    expect(read([STREAM])).toEqual(EVENTS);
  });

  it("gives the same events however the stream is cut", () => {
    for (let at = 0; at <= STREAM.length; at += 1) expect(read([STREAM.slice(0, at), STREAM.slice(at)])).toEqual(EVENTS);
    expect(read(STREAM.split(""))).toEqual(EVENTS);
  });

  it("keeps an event that is not complete", () => {
    expect(read(["data: half"])).toEqual([]);
  });
});

describe("deltaOf", () => {
  it("gives the words of a chat chunk", () => {
    expect(deltaOf('{"choices":[{"delta":{"content":"Hello"}}]}')).toBe("Hello");
    expect(deltaOf('{"choices":[]}')).toBe("");
    expect(deltaOf('{"choices":[{"delta":{"content":null}}]}')).toBe("");
    expect(deltaOf("[DONE]")).toBe("");
  });

  it("raises what a stream reports as its error", () => {
    expect(() => deltaOf('{"error":{"message":"The model server went away."}}')).toThrow("went away");
  });
});
