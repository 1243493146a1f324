import type { Model, ModelUpdate } from "@/api/types";

/** What a model's server speaks; calls in what it does not speak are translated. */
export const PROTOCOLS = [
  { value: "chats", label: "Chat completions" },
  { value: "both", label: "Chat completions and responses" },
  { value: "responses", label: "Responses alone" },
] as const;

export type Protocol = (typeof PROTOCOLS)[number]["value"];

type Flags = Pick<ModelUpdate & Model, "open_responses_adapter" | "chat_completions_adapter">;

export function protocolOf(model: Partial<Flags>): Protocol {
  if (model.chat_completions_adapter) return "responses";
  return model.open_responses_adapter === false ? "both" : "chats";
}

/** The two flags that say so. */
export function flagsOf(protocol: Protocol): Required<Flags> {
  return {
    open_responses_adapter: protocol === "chats" ? null : false,
    chat_completions_adapter: protocol === "responses",
  };
}
