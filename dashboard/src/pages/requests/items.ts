/** Reads a recorded call as the items of the Responses API, whichever API it came through. Pure. */
import { isObject, list, parsed, partsOf, pretty, string, type Json, type Part } from "./conversation";

export interface Item {
  /** As the API calls it, such as `function_call`. */
  type: string;
  /** In words. */
  label: string;
  id: string | null;
  status: string | null;
  /** By which a call of a tool and its output know each other. */
  callId: string | null;
  parts: Part[];
}

const LABELS: Record<string, string> = {
  message: "Message",
  reasoning: "Reasoning",
  function_call: "Tool call",
  function_call_output: "Tool output",
  item_reference: "Reference to an item",
  compaction: "Compaction",
  file_search_call: "File search",
  web_search_call: "Web search",
  computer_call: "Computer use",
  code_interpreter_call: "Code interpreter",
  image_generation_call: "Image generation",
  mcp_call: "Tool call",
  mcp_list_tools: "List of MCP tools",
};
const ROLES: Record<string, string> = { system: "System message", developer: "Developer message", user: "User message", assistant: "Answer", tool: "Tool output" };

/** What the call was given. */
export function given(body: string | null): Item[] {
  const request = parsed(body);
  if (!request) return [];
  const found: Json[] = [];
  if (typeof request["instructions"] === "string") found.push({ type: "message", role: "system", content: request["instructions"] });
  const input = request["input"];
  if (typeof input === "string") found.push({ type: "message", role: "user", content: input });
  else found.push(...list(input));
  for (const message of list(request["messages"])) found.push(...asItems(message));
  return found.map(itemOf);
}

/** What came of it. */
export function made(response: Json | null | undefined): Item[] {
  return list(response?.["output"]).map(itemOf);
}

/** What it may call, as `name` and a description. */
export function tools(body: string | null): { name: string; about: string }[] {
  return list(parsed(body)?.["tools"]).map((tool) => {
    const inner = isObject(tool["function"]) ? tool["function"] : tool;
    return { name: string(inner["name"]) || string(tool["type"]), about: string(inner["description"]) };
  });
}

/** A message of a chat: its calls of tools are items of their own. */
function asItems(message: Json): Json[] {
  if (message["role"] === "tool") return [{ type: "function_call_output", call_id: message["tool_call_id"], output: message["content"] }];
  const { tool_calls: calls, reasoning_content: reasoning, ...rest } = message;
  const found: Json[] = [];
  if (typeof reasoning === "string" && reasoning) found.push({ type: "reasoning", content: [{ type: "reasoning_text", text: reasoning }] });
  if (rest["content"] !== null && rest["content"] !== undefined) found.push({ type: "message", ...rest });
  for (const call of list(calls)) {
    const of = isObject(call["function"]) ? call["function"] : {};
    found.push({ type: "function_call", call_id: call["id"], name: of["name"], arguments: of["arguments"] });
  }
  return found;
}

function itemOf(item: Json): Item {
  const type = string(item["type"]) || "message";
  const role = string(item["role"]);
  return {
    type,
    label: type === "message" ? (ROLES[role] ?? (role || "Message")) : (LABELS[type] ?? type.replaceAll("_", " ")),
    id: string(item["id"]) || null,
    status: string(item["status"]) || null,
    callId: string(item["call_id"]) || null,
    parts: shownOf(type, item),
  };
}

function shownOf(type: string, item: Json): Part[] {
  if (type === "message") return partsOf(item);
  // It stands under its own heading here, so nothing of it is folded away.
  if (type === "reasoning") return partsOf(item).map(({ text }) => ({ kind: "text", text }));
  if (type === "function_call") return [{ kind: "call", name: string(item["name"]), text: pretty(string(item["arguments"])) }];
  if (type === "function_call_output") {
    const output = item["output"] ?? item["content"];
    if (Array.isArray(output)) return partsOf({ content: output });
    return [typeof output === "string" ? written(output) : { kind: "code", text: JSON.stringify(output ?? null) }];
  }
  if (type === "mcp_call") {
    const call: Part = { kind: "call", name: string(item["name"]), text: pretty(string(item["arguments"])) };
    const output = item["output"];
    return typeof output === "string" ? [call, written(output)] : [call];
  }
  // Whatever the API has that this page does not know is shown as it is.
  return [{ kind: "code", text: JSON.stringify(item, null, 2) }];
}

/** What a tool said: JSON is set as such. */
function written(text: string): Part {
  const shown = pretty(text);
  return /^[[{]/.test(shown) ? { kind: "code", text: shown } : { kind: "text", text };
}
