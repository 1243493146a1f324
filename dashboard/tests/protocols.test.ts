import { expect, test } from "vitest";
import { PROTOCOLS, flagsOf, protocolOf } from "../src/pages/models/protocols";

test("each protocol is read back from its flags", () => {
  for (const { value } of PROTOCOLS) expect(protocolOf(flagsOf(value))).toBe(value);
});

test("a server speaks chat completions unless somebody said otherwise", () => {
  expect(protocolOf({})).toBe("chats");
  expect(protocolOf({ open_responses_adapter: true, chat_completions_adapter: false })).toBe("chats");
  expect(protocolOf({ open_responses_adapter: null, chat_completions_adapter: true })).toBe("responses");
});
