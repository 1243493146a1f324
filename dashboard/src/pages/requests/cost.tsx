/** What a call used and what it was charged, in the list and in the drawer alike. */
import { count } from "@/text/format";
import { money } from "@/text/money";
import { Amount } from "@/ui/amount";
import type { Entry } from "./feed";

type Used = Pick<Entry, "prompt_tokens" | "completion_tokens" | "usage_estimated">;
type Charged = Pick<Entry, "status" | "tariff_id" | "total_cost" | "usage_estimated">;

export function Tokens({ entry }: { entry: Used }) {
  if (entry.prompt_tokens === null && entry.completion_tokens === null) return <>–</>;
  const about = entry.usage_estimated;
  const said = `${about ? "estimated: " : ""}${count(entry.prompt_tokens)} in, ${count(entry.completion_tokens)} out`;
  return (
    <span role="img" aria-label={said} title={about ? "Estimated: the model server did not report them all" : undefined}>
      {about && <span className="text-faint">≈ </span>}
      {count(entry.prompt_tokens)} <span className="text-faint">→</span> {count(entry.completion_tokens)}
    </span>
  );
}

export function Cost({ entry }: { entry: Charged }) {
  if (entry.tariff_id === null) return <span className="text-quiet">Free</span>;
  return entry.total_cost === null ? <>–</> : <Amount of={entry.total_cost} />;
}

export function costInWords(entry: Charged): string {
  if (entry.tariff_id === null) return "Free: the model had no price";
  if (entry.total_cost === null) return entry.status === "in_progress" || entry.status === "queued" ? "Not known before it ends" : "Nothing was charged";
  return entry.usage_estimated ? `${money(entry.total_cost)}, for estimated tokens` : money(entry.total_cost);
}
