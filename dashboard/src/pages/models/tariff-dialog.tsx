/** Opens a tariff; one that is changed is closed, and the new one follows it. */
import { useState } from "react";
import type { Tariff, TariffGiven } from "@/api/types";
import { perMillion, perToken, priceFault, readMoney } from "@/text/money";
import { Button } from "@/ui/button";
import { Dialog } from "@/ui/dialog";
import { Form, SelectField, TextField } from "@/ui/field";
import { ErrorNote, Note } from "@/ui/state";
import type { TariffChange } from "./prices-tab";
import { FOR_CHOICES, priceInWords, sameCalls } from "./tariffs";

interface Props {
  tariffs: readonly Tariff[];
  /** Null makes a new one. */
  edited: Tariff | null;
  change: TariffChange;
  onClose: () => void;
}

export function TariffDialog({ tariffs, edited, change, onClose }: Props) {
  const [name, setName] = useState(edited?.name ?? "standard");
  const [purpose, setPurpose] = useState(edited?.api_key_purpose ?? "");
  const [window, setWindow] = useState(edited?.completion_window ?? "24h");
  const [prices, setPrices] = useState({
    input: typedOf(edited?.input_price_per_token),
    output: typedOf(edited?.output_price_per_token),
    cached: typedOf(edited?.cached_input_price_per_token),
    written: typedOf(edited?.cache_write_price_per_token),
    reasoning: typedOf(edited?.reasoning_price_per_token),
  });
  const calls = { api_key_purpose: purpose || null, completion_window: purpose === "batch" ? window.trim() : null };
  const replaced = tariffs.find((each) => sameCalls(each, calls) && each.id !== edited?.id);
  const field = (price: keyof typeof prices, label: string, otherwise?: string) => {
    const typed = prices[price];
    const optional = otherwise !== undefined;
    return (
      <TextField
        label={label}
        optional={optional}
        required={!optional}
        placeholder={otherwise}
        inputMode="decimal"
        boxClass="tabular-nums"
        error={typed === "" ? null : priceFault(typed)}
        value={typed}
        onChange={(event) => setPrices((now) => ({ ...now, [price]: event.target.value }))}
      />
    );
  };
  const read = { input: priceOf(prices.input), output: priceOf(prices.output), cached: priceOf(prices.cached), written: priceOf(prices.written), reasoning: priceOf(prices.reasoning) };
  const wrong = Object.values(prices).some((typed) => typed !== "" && priceFault(typed) !== null);
  const submit = () => {
    if (wrong || read.input === null || read.output === null) return;
    const opened: TariffGiven = {
      name,
      api_key_purpose: calls.api_key_purpose as TariffGiven["api_key_purpose"] & string,
      completion_window: calls.completion_window,
      input_price_per_token: read.input,
      output_price_per_token: read.output,
      cached_input_price_per_token: read.cached,
      cache_write_price_per_token: read.written,
      reasoning_price_per_token: read.reasoning,
    };
    change.mutate({ opened, closed: edited?.id }, { onSuccess: onClose });
  };
  return (
    <Dialog
      open
      onClose={onClose}
      title={edited ? `Change “${edited.name}”` : "Add a tariff"}
      description="Calls that begin from now on are charged by it."
      footer={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button look="solid" type="submit" form="tariff" busy={change.isPending} disabled={wrong}>
            Put in force
          </Button>
        </>
      }
    >
      <Form id="tariff" className="space-y-4" onSubmit={submit}>
        <SelectField label="For" options={FOR_CHOICES} value={purpose} onChange={(event) => setPurpose(event.target.value)} />
        {purpose === "batch" && <TextField label="Completion window" required hint="The time that a batch may take, such as 24h." value={window} onChange={(event) => setWindow(event.target.value)} />}
        <TextField label="Name" required maxLength={256} value={name} onChange={(event) => setName(event.target.value)} />
        <fieldset>
          <legend className="mb-2 text-quiet">Prices of 1M tokens</legend>
          <div className="grid gap-4 sm:grid-cols-2">
            {field("input", "Input")}
            {field("output", "Output")}
            {field("cached", "Cached input", "as input")}
            {field("written", "Writing to the cache", "as input")}
            {field("reasoning", "Reasoning", "as output")}
          </div>
        </fieldset>
        {replaced && (
          <Note tone="info">
            “{replaced.name}” ({priceInWords(replaced)}) is for the same calls and is closed.
          </Note>
        )}
        {change.error && <ErrorNote error={change.error} />}
      </Form>
    </Dialog>
  );
}

function typedOf(price: string | null | undefined): string {
  return price === null || price === undefined ? "" : perMillion(price);
}

/** For one token; null for nothing, and for what is no price. */
function priceOf(typed: string): string | null {
  const read = priceFault(typed) === null ? readMoney(typed) : null;
  return read === null ? null : perToken(read);
}
