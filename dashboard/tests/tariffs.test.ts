import { describe, expect, it } from "vitest";
import type { Tariff } from "../src/api/types";
import { changed, forWhat, given, mainTariff, priceInWords } from "../src/pages/models/tariffs";

function tariff(name: string, more: Partial<Tariff> = {}): Tariff {
  return {
    id: `id of ${name}`,
    deployed_model_id: null,
    name,
    input_price_per_token: "0.00000015",
    output_price_per_token: "0.0000006",
    cached_input_price_per_token: null,
    cache_write_price_per_token: null,
    reasoning_price_per_token: null,
    api_key_purpose: null,
    completion_window: null,
    valid_from: "2026-01-01T00:00:00Z",
    valid_until: null,
    is_active: true,
    ...more,
  };
}
const standard = tariff("standard");
const live = tariff("live", { api_key_purpose: "realtime" });
const night = tariff("night", { api_key_purpose: "batch", completion_window: "24h" });
const hour = tariff("hour", { api_key_purpose: "batch", completion_window: "1h" });

describe("tariffs", () => {
  it("say what they are for and what they cost", () => {
    expect([standard, live, night].map(forWhat)).toEqual(["Every call", "Calls of applications", "Lines of batches, within 24h"]);
    expect(priceInWords(standard)).toBe("0.15 in, 0.60 out");
    expect(priceInWords(tariff("gift", { input_price_per_token: "0", output_price_per_token: "0" }))).toBe("Free");
  });

  it("charge applications by their own, else by the one for every call", () => {
    expect(mainTariff([standard, night])).toBe(standard);
    expect(mainTariff([standard, live])).toBe(live);
    expect(mainTariff([night])).toBeUndefined();
  });

  it("stay when another is added, and give way to one for the same calls", () => {
    const opened = given(tariff("fast", { api_key_purpose: "batch", completion_window: "1h" }));
    expect(changed([standard, night, hour], { opened }).map((each) => each.name)).toEqual(["standard", "night", "fast"]);
    expect(changed([standard], { opened }).map((each) => each.name)).toEqual(["standard", "fast"]);
  });

  it("are closed one by one, and closed when changed to be for other calls", () => {
    expect(changed([standard, live], { closed: live.id }).map((each) => each.name)).toEqual(["standard"]);
    const opened = given(tariff("moved", { api_key_purpose: "playground" }));
    expect(changed([standard, live], { opened, closed: live.id }).map((each) => each.name)).toEqual(["standard", "moved"]);
  });

  it("are given as they are, so that the server keeps them", () => {
    expect(given({ ...night, cache_write_price_per_token: "0.0000002" })).toEqual({
      name: "night",
      input_price_per_token: "0.00000015",
      output_price_per_token: "0.0000006",
      cached_input_price_per_token: null,
      cache_write_price_per_token: "0.0000002",
      reasoning_price_per_token: null,
      api_key_purpose: "batch",
      completion_window: "24h",
    });
  });
});
