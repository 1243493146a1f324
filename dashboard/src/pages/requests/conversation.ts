/** Reads a recorded call as a conversation, whichever API it came through. Pure. */

export interface Turn {
  /** `system`, `user`, `assistant`, `tool`, or what the API calls it. */
  role: string;
  parts: Part[];
}

export type Part =
  | { kind: "text"; text: string }
  | { kind: "reasoning"; text: string }
  | { kind: "call"; name: string; text: string }
  | { kind: "code"; text: string }
  | { kind: "image"; text: string }
  | { kind: "error"; text: string };

export type Json = Record<string, unknown>;

/** What was asked. Bodies that are not understood give no turns. */
export function asked(body: string | null): Turn[] {
  const request = parsed(body);
  if (!request) return [];
  const turns: Turn[] = [];
  if (typeof request["instructions"] === "string") turns.push(said("system", request["instructions"]));
  for (const message of list(request["messages"])) turns.push(turnOf(message));
  if (request["prompt"] !== undefined) turns.push(...texts(request["prompt"]).map((text) => said("user", text)));
  const input = request["input"];
  if (Array.isArray(input) && input.some((each) => typeof each === "object")) turns.push(...list(input).map(itemOf));
  else if (input !== undefined) turns.push(...texts(input).map((text) => said("user", text)));
  return turns;
}

/** What came back, from the call as a Responses object. */
export function answered(response: Json | null | undefined): Turn[] {
  if (!response) return [];
  const turns = list(response["output"]).map(itemOf);
  const error = response["error"];
  if (isObject(error)) {
    turns.push({ role: "assistant", parts: [{ kind: "error", text: string(error["message"]) || string(error["code"]) }] });
  }
  return turns.filter((turn) => turn.parts.length > 0);
}

/** Indented, when it is JSON. */
export function pretty(text: string | null): string {
  if (text === null) return "";
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

function itemOf(item: Json): Turn {
  switch (item["type"]) {
    case "reasoning": {
      const text = [...list(item["summary"]), ...list(item["content"])].map((part) => string(part["text"])).join("\n\n");
      return { role: "assistant", parts: text ? [{ kind: "reasoning", text }] : [] };
    }
    case "function_call":
      return { role: "assistant", parts: [{ kind: "call", name: string(item["name"]), text: string(item["arguments"]) }] };
    case "mcp_call": {
      const parts: Part[] = [{ kind: "call", name: string(item["name"]), text: string(item["arguments"]) }];
      if (typeof item["output"] === "string") parts.push({ kind: "text", text: item["output"] });
      return { role: "tool", parts };
    }
    case "function_call_output":
      return said("tool", typeof item["output"] === "string" ? item["output"] : JSON.stringify(item["output"]));
    default:
      return turnOf(item);
  }
}

/** What a message or some reasoning consists of. */
export function partsOf(item: Json): Part[] {
  return itemOf(item).parts;
}

function turnOf(message: Json): Turn {
  const parts: Part[] = [];
  const reasoning = message["reasoning_content"] ?? message["reasoning"];
  if (typeof reasoning === "string" && reasoning) parts.push({ kind: "reasoning", text: reasoning });
  const content = message["content"];
  if (typeof content === "string" && content) parts.push({ kind: "text", text: content });
  for (const part of list(content)) parts.push(partOf(part));
  for (const call of list(message["tool_calls"])) {
    const made = isObject(call["function"]) ? call["function"] : {};
    parts.push({ kind: "call", name: string(made["name"]), text: string(made["arguments"]) });
  }
  return { role: string(message["role"]) || "user", parts };
}

function partOf(part: Json): Part {
  if (typeof part["text"] === "string") return { kind: "text", text: part["text"] };
  if (typeof part["refusal"] === "string") return { kind: "text", text: part["refusal"] };
  if (part["type"] === "image_url" || part["type"] === "input_image") {
    const image = part["image_url"];
    const url = isObject(image) ? string(image["url"]) : string(image);
    return { kind: "image", text: url.startsWith("data:") ? `Image, ${Math.round((url.length * 3) / 4096)} KB` : `Image at ${url}` };
  }
  return { kind: "text", text: JSON.stringify(part) };
}

function said(role: string, text: string): Turn {
  return { role, parts: [{ kind: "text", text }] };
}

function texts(value: unknown): string[] {
  if (typeof value === "string") return [value];
  if (Array.isArray(value)) return value.every((each) => typeof each === "string") ? value : [JSON.stringify(value)];
  return [];
}

export function list(value: unknown): Json[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}

export function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function string(value: unknown): string {
  return typeof value === "string" ? value : "";
}

export function parsed(body: string | null): Json | null {
  if (body === null) return null;
  try {
    const value: unknown = JSON.parse(body);
    return isObject(value) ? value : null;
  } catch {
    return null;
  }
}
