/** What the operator pays for a model: shown to those who run it, and charged to nobody. */
import { useState } from "react";
import type { Schemas } from "@/api/client";
import type { Model } from "@/api/types";
import { perMillion, perToken, priceFault, readMoney } from "@/text/money";
import { Button } from "@/ui/button";
import { Form, SelectField, TextField } from "@/ui/field";
import { Card } from "@/ui/layout";
import { ErrorNote } from "@/ui/state";
import { useModelChange } from "./changes";

type Pricing = Schemas["ProviderPricing"];
type Mode = Pricing["mode"];
type Name = Exclude<keyof Pricing, "mode">;

const MODES = [
  { value: "", label: "Not told" },
  { value: "per_token", label: "By token" },
  { value: "hourly", label: "By hour" },
] as const;

interface Shown {
  name: Name;
  label: string;
  hint?: string;
  /** Shown for a million of what the server keeps. */
  million: boolean;
}

const FIELDS: Record<Mode, readonly Shown[]> = {
  per_token: [
    { name: "input_price_per_token", label: "Input, 1M tokens", million: true },
    { name: "output_price_per_token", label: "Output, 1M tokens", million: true },
    { name: "cached_input_price_per_token", label: "Cached input, 1M tokens", million: true },
    { name: "cache_write_price_per_token", label: "Writing to the cache, 1M tokens", million: true },
    { name: "reasoning_price_per_token", label: "Reasoning, 1M tokens", million: true },
  ],
  hourly: [
    { name: "rate", label: "Price of an hour", million: false },
    { name: "input_token_cost_ratio", label: "Cost of input against output", hint: "0.2: a token of input takes a fifth of the time.", million: false },
  ],
};

export function ProviderCard({ model }: { model: Model }) {
  const pricing = model.provider_pricing ?? null;
  const [mode, setMode] = useState<Mode | "">(pricing?.mode ?? "");
  const [typed, setTyped] = useState<Partial<Record<Name, string>>>(() => shownOf(pricing));
  const save = useModelChange(model.id, "Provider prices saved.");
  const fields = mode === "" ? [] : FIELDS[mode];
  const faultOf = ({ name, million }: Shown) => {
    const text = typed[name] ?? "";
    if (text === "") return null;
    if (million) return priceFault(text);
    return readMoney(text) === null ? "Write it like 2.50." : null;
  };
  const faulty = fields.some((field) => faultOf(field) !== null);
  const wanted = faulty ? null : given(mode, (name) => readMoney(typed[name] ?? ""), true);
  // What is typed while it is saved stays, and is not saved yet.
  const same = JSON.stringify(wanted) === JSON.stringify(given(pricing?.mode ?? "", (name) => pricing?.[name] ?? null, false));
  return (
    <Card title="What you pay for it">
      <Form className="max-w-2xl space-y-4 p-5" onSubmit={() => save.mutate({ provider_pricing: wanted })}>
        <p className="text-quiet">For comparison only. No call is charged by it.</p>
        <SelectField
          label="Your provider charges"
          options={MODES}
          value={mode}
          onChange={(event) => setMode(event.target.value as Mode | "")}
        />
        {fields.length > 0 && (
          <div className="grid gap-4 sm:grid-cols-2">
            {fields.map((field) => (
              <TextField
                key={field.name}
                label={field.label}
                optional
                hint={field.hint}
                error={faultOf(field)}
                inputMode="decimal"
                boxClass="tabular-nums"
                value={typed[field.name] ?? ""}
                onChange={(event) => setTyped((now) => ({ ...now, [field.name]: event.target.value }))}
              />
            ))}
          </div>
        )}
        {save.error && <ErrorNote error={save.error} />}
        <Button look="solid" type="submit" busy={save.isPending} disabled={faulty || same}>
          Save provider prices
        </Button>
      </Form>
    </Card>
  );
}

/** As the server takes it; `read` gives each field's amount, `shown` says whether that is for a million tokens. */
function given(mode: Mode | "", read: (name: Name) => string | null, shown: boolean) {
  if (mode === "") return null;
  const fields = FIELDS[mode].map(({ name, million }) => {
    const amount = read(name);
    return [name, amount !== null && million && shown ? perToken(amount) : amount] as const;
  });
  return { mode, ...(Object.fromEntries(fields) as Partial<Record<Name, string | null>>) };
}

function shownOf(pricing: Pricing | null): Partial<Record<Name, string>> {
  if (pricing === null) return {};
  const shown = FIELDS[pricing.mode].map(({ name, million }) => {
    const value = pricing[name] ?? null;
    return [name, value === null ? "" : million ? perMillion(value) : value] as const;
  });
  return Object.fromEntries(shown);
}
