import { Badge, type Tone } from "@/ui/layout";
import type { Entry } from "./feed";

type Ended = Pick<Entry, "status" | "status_code">;

/** What became of a call, in words and in colour. */
export function outcomeOf({ status, status_code: code }: Ended): { label: string; tone: Tone } {
  if (status === "queued") return { label: "Queued", tone: "plain" };
  if (status === "in_progress") return { label: "Running", tone: "accent" };
  if (code === 499) return { label: "499 left", tone: "plain" };
  if (status === "cancelled") return { label: "Canceled", tone: "plain" };
  if (code === null) return { label: status === "completed" ? "Done" : "Failed", tone: status === "completed" ? "good" : "bad" };
  return { label: String(code), tone: code < 400 ? "good" : code < 500 ? "warn" : "bad" };
}

export function StatusBadge({ entry }: { entry: Ended }) {
  const { label, tone } = outcomeOf(entry);
  return (
    <Badge tone={tone} dot>
      {label}
    </Badge>
  );
}
