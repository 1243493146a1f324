/** How far back a list goes. */
export type Range = "1h" | "24h" | "7d" | "30d" | "all";

export const RANGE_OPTIONS: { value: Range; label: string }[] = [
  { value: "1h", label: "Last hour" },
  { value: "24h", label: "Last 24 hours" },
  { value: "7d", label: "Last 7 days" },
  { value: "30d", label: "Last 30 days" },
  { value: "all", label: "All time" },
];

export const HOURS: Record<Range, number | null> = { "1h": 1, "24h": 24, "7d": 168, "30d": 720, all: null };

const STEP = 60_000;

/** Where it begins, to the minute before: so the question stays the same one for a while. */
export function startOf(range: Range, now: number = Date.now()): string | undefined {
  const hours = HOURS[range];
  return hours === null ? undefined : new Date(Math.floor((now - hours * 3_600_000) / STEP) * STEP).toISOString();
}
