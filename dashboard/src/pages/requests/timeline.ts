/** What happened to a call, as far as its row tells. Pure. */
import type { Schemas } from "@/api/client";
import { duration } from "@/text/format";
import type { Happening } from "@/ui/timeline";

type Told = Pick<
  Schemas["RequestDetail"],
  | "timestamp" | "status" | "status_code" | "started_at" | "completed_at" | "deadline" | "attempt" | "attempts"
  | "duration_to_first_byte_ms" | "duration_ms" | "error_code" | "error_message" | "streamed"
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
  if (call.completed_at !== null) found.push({ at: call.completed_at, ...endOf(call) });
  else if (call.deadline !== null) {
    const at = new Date(call.deadline).getTime();
    found.push({ label: "Deadline", at, ahead: at > now, ...(at > now ? {} : { tone: "warn" as const }) });
  }
  return found;
}

function endOf({ status, status_code: code, duration_ms: took, error_code, error_message }: Told): Omit<Happening, "at"> {
  const note = [took === null ? null : `Took ${duration(took)}`, error_code, error_message].filter((each) => each !== null).join(" · ") || undefined;
  if (status === "cancelled") return { label: code === 499 ? "The client left" : "Canceled", note };
  if (status === "failed") return { label: "Failed", tone: "bad", note };
  return { label: "Completed", tone: code !== null && code >= 400 ? "warn" : "good", note };
}
