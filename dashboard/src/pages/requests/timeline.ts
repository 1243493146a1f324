/** What happened to a call, as far as its row tells. Pure. */
import type { Schemas } from "@/api/client";
import { duration } from "@/text/format";
import type { Happening } from "@/ui/timeline";

type Told = Pick<
  Schemas["RequestDetail"],
  | "timestamp" | "status" | "status_code" | "started_at" | "completed_at" | "deadline" | "attempt" | "attempts"
  | "duration_to_first_byte_ms" | "duration_ms" | "error_code" | "error_message" | "streamed" | "tool_calls"
>;

export function happenings(call: Told, now: number = Date.now()): Happening[] {
  const accepted = new Date(call.timestamp).getTime();
  // Only what was queued has a deadline.
  const found: Happening[] = [{ label: call.deadline === null ? "Accepted" : "Accepted and queued", at: call.timestamp }];
  for (const { attempt, started_at, ended_at, status_code, error_code, error_message } of call.attempts) {
    if (started_at !== null) found.push({ label: `Try ${attempt} began`, at: started_at });
    found.push({ label: `Try ${attempt} failed`, at: ended_at, tone: "warn", note: [status_code, error_code, error_message].filter((each) => each !== null).join(" · ") });
  }
  const started = call.started_at === null ? null : new Date(call.started_at).getTime();
  if (started !== null) {
    if (call.deadline !== null) {
      const waited = call.attempt === 1 ? `Waited ${duration(Math.max(0, started - accepted))}` : undefined;
      found.push({ label: call.attempt > 1 ? `Try ${call.attempt} began` : "Started", at: started, tone: "accent", note: waited });
    }
    const first = call.duration_to_first_byte_ms;
    if (first !== null) found.push({ label: call.streamed ? "First token" : "Answer began", at: started + first, tone: "accent", note: `After ${duration(first)}` });
  }
  for (const { name, ended_at, latency_ms: took, outcome } of call.tool_calls) {
    const ok = outcome === "ok";
    found.push({ label: `Called ${name}`, at: new Date(ended_at).getTime() - took, tone: ok ? "accent" : "warn", note: [ok ? null : calledIn(outcome), `Took ${duration(took)}`].filter((each) => each !== null).join(" · ") });
  }
  // What tools did falls between the others; what came at the same moment stays in its order.
  if (call.tool_calls.length > 0) found.sort((one, other) => new Date(one.at).getTime() - new Date(other.at).getTime());
  if (call.completed_at !== null) found.push({ at: call.completed_at, ...endOf(call) });
  else if (call.deadline !== null) {
    const at = new Date(call.deadline).getTime();
    found.push({ label: "Deadline", at, ahead: at > now, ...(at > now ? {} : { tone: "warn" as const }) });
  }
  return found;
}

/** Why a call of a tool failed, in words. */
export function calledIn(outcome: string): string {
  return OUTCOMES[outcome] ?? outcome.replaceAll("_", " ");
}

const OUTCOMES: Record<string, string> = {
  timeout: "No answer in time",
  cancelled: "Broken off",
  status: "Answered with an error",
  arguments: "The arguments were no JSON object",
  unreachable: "The server was not reached",
  not_allowed: "The address may not be called",
  too_large: "The answer was too long",
  unreadable: "The answer could not be read",
};

function endOf({ status, status_code: code, duration_ms: took, error_code, error_message }: Told): Omit<Happening, "at"> {
  const note = [took === null ? null : `Took ${duration(took)}`, error_code, error_message].filter((each) => each !== null).join(" · ") || undefined;
  if (status === "cancelled") return { label: code === 499 ? "The client left" : "Canceled", note };
  if (status === "failed") return { label: "Failed", tone: "bad", note };
  return { label: "Completed", tone: code !== null && code >= 400 ? "warn" : "good", note };
}
