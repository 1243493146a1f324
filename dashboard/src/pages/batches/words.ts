/** What is said of a batch, in its list and on its page alike. Pure. */
import { isOver, type Batch, type BatchStatus, type LineStatus } from "@/api/work";
import { ahead, ago, count, duration } from "@/text/format";
import type { Tone } from "@/ui/layout";
import type { Happening } from "@/ui/timeline";

export const STATUSES: Record<BatchStatus, { label: string; tone: Tone }> = {
  validating: { label: "Starting", tone: "accent" },
  in_progress: { label: "Running", tone: "accent" },
  completed: { label: "Completed", tone: "good" },
  failed: { label: "Failed", tone: "bad" },
  cancelling: { label: "Canceling", tone: "plain" },
  cancelled: { label: "Canceled", tone: "plain" },
};

export const LINE_STATUSES: Record<LineStatus, { label: string; tone: Tone }> = {
  pending: { label: "Waiting", tone: "plain" },
  in_progress: { label: "Running", tone: "accent" },
  completed: { label: "Done", tone: "good" },
  failed: { label: "Failed", tone: "bad" },
  canceled: { label: "Canceled", tone: "plain" },
};

/** Written by the product itself. */
const OWN = new Set(["created_by_email", "context_name", "context_type", "request_source", "created_by"]);
const DESCRIPTION = "batch_description";

/** What it is called, else the beginning of its id. */
export function titleOf({ id, metadata }: Pick<Batch, "id" | "metadata">): string {
  return metadata[DESCRIPTION] || `Batch ${id.slice(0, 8)}`;
}

/** What its maker wrote on it. */
export function notesOf({ metadata }: Pick<Batch, "metadata">): [string, string][] {
  return Object.entries(metadata).filter(([name]) => !OWN.has(name) && name !== DESCRIPTION);
}

/** The other way round, from a form. */
export function metadataOf(description: string, notes: readonly (readonly [string, string])[]): Record<string, string> {
  const named = notes.map(([name, value]) => [name.trim(), value] as const).filter(([name]) => name !== "");
  return { ...Object.fromEntries(named), ...(description.trim() ? { [DESCRIPTION]: description.trim() } : {}) };
}

/** `12 of 20 done, 1 failed`. */
export function progressOf({ request_counts: { total, completed, failed } }: Pick<Batch, "request_counts">): string {
  return `${count(completed)} of ${count(total)} done${failed > 0 ? `, ${count(failed)} failed` : ""}`;
}

export function endOf(batch: Batch): number | null {
  return isOver(batch) ? (batch.cancelled_at ?? batch.completed_at ?? batch.failed_at) : null;
}

/** `due in 3 h`, `2 h late`, `ended 5 min ago`. */
export function dueOf(batch: Batch, now: number = Date.now()): string {
  const end = endOf(batch);
  if (end !== null) return `ended ${ago(end * 1000, now)}`;
  if (batch.expires_at * 1000 > now) return `due ${ahead(batch.expires_at * 1000, now)}`;
  return `${duration(now - batch.expires_at * 1000)} late`;
}

export function happenings(batch: Batch, now: number = Date.now()): Happening[] {
  const found: Happening[] = [{ label: "Created", at: batch.created_at * 1000 }];
  const add = (label: string, at: number | null, more: Partial<Happening> = {}) => {
    if (at !== null) found.push({ label, at: at * 1000, ...more });
  };
  add("Started", batch.in_progress_at, { tone: "accent" });
  add("Cancel was asked for", batch.cancelling_at);
  if (batch.status === "completed") add("Completed", batch.completed_at, { tone: "good", note: tookOf(batch) });
  if (batch.status === "failed") add("Failed", batch.failed_at, { tone: "bad", note: tookOf(batch) });
  if (batch.status === "cancelled") add("Canceled", batch.cancelled_at);
  const passed = batch.expires_at * 1000 <= now;
  const late = batch.expired_at !== null;
  // A deadline that was kept says nothing any more.
  if (!isOver(batch) || late) add("Deadline", batch.expires_at, { ahead: !passed, ...(late ? { tone: "warn" as const, note: isOver(batch) ? "It was not done by then." : "It was not done by then. It goes on all the same." } : {}) });
  return found.sort((one, other) => Number(one.at) - Number(other.at));
}

function tookOf(batch: Batch): string | undefined {
  const end = endOf(batch);
  if (end === null) return undefined;
  // The moments are whole seconds.
  return end === batch.created_at ? "Took less than a second" : `Took ${duration((end - batch.created_at) * 1000)}`;
}
