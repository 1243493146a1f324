/** What becomes of calls that come a certain way: answered, refused, or answered by another model. */
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import type { Schemas } from "@/api/client";
import { modelsQuery, MOST } from "@/api/queries";
import type { Model } from "@/api/types";
import { Button } from "@/ui/button";
import { Form, SelectField } from "@/ui/field";
import { Card } from "@/ui/layout";
import { ErrorNote } from "@/ui/state";
import { useModelChange } from "./changes";
import { PURPOSES } from "./words";

type Rule = Schemas["TrafficRule"];
type Purpose = Rule["api_key_purpose"];

const ANSWER = "";
const REFUSE = "deny";
const TO = "to:";

export function RulesCard({ model }: { model: Model }) {
  const given = model.traffic_routing_rules ?? [];
  const [rules, setRules] = useState<readonly Rule[]>(given);
  const save = useModelChange(model.id, "Rules saved.");
  const others = useQuery(modelsQuery({ limit: MOST, sort: "alias", sort_direction: "asc", model_type: model.model_type }));
  const targets = others.data?.data.filter((each) => each.id !== model.id) ?? [];
  const options = [
    { value: ANSWER, label: "Are answered" },
    { value: REFUSE, label: "Are refused" },
    ...targets.map((each) => ({ value: `${TO}${each.alias}`, label: `Are answered by ${each.alias}` })),
  ];
  const choose = (purpose: Purpose, value: string) => {
    const rest = rules.filter((rule) => rule.api_key_purpose !== purpose);
    if (value === ANSWER) setRules(rest);
    else if (value === REFUSE) setRules([...rest, { api_key_purpose: purpose, action: { type: "deny" } }]);
    else setRules([...rest, { api_key_purpose: purpose, action: { type: "redirect", target: value.slice(TO.length) } }]);
  };
  return (
    <Card title="Rules">
      <Form className="max-w-2xl space-y-4 p-5" onSubmit={() => save.mutate({ traffic_routing_rules: [...rules] })}>
        {PURPOSES.map(([purpose, label]) => (
          <SelectField key={purpose} label={label} options={options} value={valueOf(rules.find((rule) => rule.api_key_purpose === purpose))} onChange={(event) => choose(purpose, event.target.value)} />
        ))}
        {save.error && <ErrorNote error={save.error} />}
        <Button look="solid" type="submit" busy={save.isPending} disabled={same(rules, given)}>
          Save rules
        </Button>
      </Form>
    </Card>
  );
}

function valueOf(rule: Rule | undefined): string {
  if (!rule) return ANSWER;
  return rule.action.type === "deny" ? REFUSE : `${TO}${rule.action.target ?? ""}`;
}

function same(some: readonly Rule[], others: readonly Rule[]): boolean {
  const written = (rules: readonly Rule[]) => PURPOSES.map(([purpose]) => valueOf(rules.find((rule) => rule.api_key_purpose === purpose))).join("\n");
  return written(some) === written(others);
}
