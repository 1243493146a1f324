/** Tariffs as people read and change them. Pure. */
import type { Tariff, TariffGiven } from "@/api/types";
import { money, perMillion } from "@/text/money";

type Purpose = NonNullable<TariffGiven["api_key_purpose"]>;
type Prices = Pick<Tariff, "input_price_per_token" | "output_price_per_token">;
type For = Pick<Tariff, "api_key_purpose" | "completion_window">;

/** Which calls a tariff is for; the empty one is for all that have none of their own. */
export const FOR_CHOICES = [
  { value: "", label: "Every call without a tariff of its own" },
  { value: "realtime", label: "Calls of applications" },
  { value: "batch", label: "Lines of batches" },
  { value: "playground", label: "Calls from this dashboard" },
  { value: "platform", label: "Calls with keys of the admin API" },
] as const satisfies readonly { value: Purpose | ""; label: string }[];

export function forWhat({ api_key_purpose: purpose, completion_window: window }: For): string {
  if (purpose === null) return "Every call";
  const label = FOR_CHOICES.find((choice) => choice.value === purpose)?.label ?? purpose;
  return window === null ? label : `${label}, within ${window}`;
}

/** The tariff that calls of applications are charged by: their own, or the one for every call; none is free. */
export function mainTariff<T extends For>(tariffs: readonly T[]): T | undefined {
  return tariffs.find((each) => each.api_key_purpose === "realtime") ?? tariffs.find((each) => each.api_key_purpose === null);
}

/** `0.15 in, 0.60 out`, for a million tokens; free where both are zero. */
export function priceInWords(tariff: Prices): string {
  const [entry, out] = [perMillion(tariff.input_price_per_token), perMillion(tariff.output_price_per_token)];
  return entry === "0" && out === "0" ? "Free" : `${money(entry)} in, ${money(out)} out`;
}

export function sameCalls(one: For, other: For): boolean {
  return one.api_key_purpose === other.api_key_purpose && one.completion_window === other.completion_window;
}

/** A tariff that is in force as it is given to the server, which then keeps it as it is. */
export function given(tariff: Tariff): TariffGiven {
  return {
    name: tariff.name,
    input_price_per_token: tariff.input_price_per_token,
    output_price_per_token: tariff.output_price_per_token,
    cached_input_price_per_token: tariff.cached_input_price_per_token,
    cache_write_price_per_token: tariff.cache_write_price_per_token,
    reasoning_price_per_token: tariff.reasoning_price_per_token,
    api_key_purpose: tariff.api_key_purpose as Purpose | null,
    completion_window: tariff.completion_window,
  };
}

/** All tariffs from now on: the new one instead of those for the same calls, and without the one that is closed. */
export function changed(inForce: readonly Tariff[], { opened, closed }: { opened?: TariffGiven | undefined; closed?: string | undefined }): TariffGiven[] {
  const kept = inForce.filter((each) => each.id !== closed && !(opened && sameCalls(each, { api_key_purpose: opened.api_key_purpose ?? null, completion_window: opened.completion_window ?? null })));
  return [...kept.map(given), ...(opened ? [opened] : [])];
}
