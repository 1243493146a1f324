/** Sends a chat request as an application would, and reads the answer while it comes. */
import { deltaOf, EventReader } from "@/text/sse";
import { Offline, refusal } from "./client";

export interface ChatCall {
  model: string;
  prompt: string;
  /** Absent: the session's own way, which needs no key. */
  secret?: string | undefined;
  signal: AbortSignal;
  onWords: (words: string) => void;
}

export const GATEWAY = "/ai/v1";
const BY_SESSION = "/admin/api/v1/ai/v1";

/** The address that applications are given. */
export function baseUrl(): string {
  return `${location.origin}${GATEWAY}`;
}

/** Raises `ApiError` with the gateway's own words. Ends when the answer does, or when it is aborted. */
export async function chat({ model, prompt, secret, signal, onWords }: ChatCall): Promise<void> {
  const headers: Record<string, string> = { "content-type": "application/json" };
  if (secret) headers["authorization"] = `Bearer ${secret}`;
  const response = await reach(`${secret ? GATEWAY : BY_SESSION}/chat/completions`, {
    method: "POST",
    headers,
    body: JSON.stringify({ model, stream: true, messages: [{ role: "user", content: prompt }] }),
    credentials: secret ? "omit" : "same-origin",
    signal,
  });
  if (!response.ok || !response.body) throw await refusal(response);
  const events = new EventReader();
  const pieces = response.body.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const { done, value } = await pieces.read();
    if (done) return;
    for (const data of events.push(value)) onWords(deltaOf(data));
  }
}

async function reach(url: string, init: RequestInit): Promise<Response> {
  try {
    return await fetch(url, init);
  } catch (error) {
    if (init.signal?.aborted) throw error;
    throw new Offline();
  }
}
