/** The events of a background stream in words. Pure. */
import type { Schemas } from "@/api/client";
import { count } from "@/text/format";
import type { Happening } from "@/ui/timeline";

type Step = Schemas["EventStep"];

const KINDS: Record<string, string> = {
  message: "message",
  reasoning: "reasoning",
  function_call: "function call",
  function_call_output: "tool output",
  mcp_call: "tool call",
};
const TONES: Record<string, Happening["tone"]> = { "response.completed": "good", "response.failed": "bad", "response.incomplete": "warn" };

/** One line for each step; a run of pieces says how many they were. */
export function events(steps: readonly Step[]): Happening[] {
  return steps.map(({ type, first, last, at, item_type: item, item_name: name }) => {
    const several = last > first;
    const about = [item === null ? null : (KINDS[item] ?? item.replaceAll("_", " ")), name, several ? `${count(last - first + 1)} events` : null];
    return {
      label: type.replace(/^response\./, ""),
      at: at ?? NaN,
      tone: TONES[type] ?? "plain",
      mark: several ? `${first}–${last}` : String(first),
      note: about.filter((each) => each !== null).join(" · ") || undefined,
    };
  });
}
