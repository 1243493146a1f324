import { describe, expect, it } from "vitest";
import { balances, moments, newSource, requestOf, signed } from "../src/pages/costs/entries";
import { costInWords } from "../src/pages/requests/cost";
import { date } from "../src/text/search";

const used = (exact_amount: string) => ({ transaction_type: "usage", exact_amount }) as const;
const granted = (exact_amount: string) => ({ transaction_type: "admin_grant", exact_amount }) as const;

describe("entries of the ledger", () => {
  it("add or take away by their type", () => {
    expect(signed(granted("5"))).toBe("5");
    expect(signed(used("0.0000001"))).toBe("-0.0000001");
    expect(signed({ transaction_type: "purchase", exact_amount: "1" })).toBe("1");
    expect(signed({ transaction_type: "admin_removal", exact_amount: "1" })).toBe("-1");
  });

  it("lead back from the balance after the first, to the last digit", () => {
    expect(balances("6.499999999999999", [used("1.000000000000001"), used("2.5"), granted("10")])).toEqual(["6.499999999999999", "7.5", "10"]);
    expect(balances("-0.5", [used("1")])).toEqual(["-0.5"]);
    expect(balances("3", [])).toEqual([]);
  });

  it("name the call that they charge, whichever attempt it was", () => {
    const id = "0199c0de-0000-7000-8000-000000000001";
    expect(requestOf({ transaction_type: "usage", source_id: id })).toBe(`resp_${id}`);
    expect(requestOf({ transaction_type: "usage", source_id: `${id}:2` })).toBe(`resp_${id}`);
    expect(requestOf({ transaction_type: "admin_grant", source_id: id })).toBeNull();
  });

  it("that are made here have names of their own", () => {
    expect(newSource()).toMatch(/^dashboard-[0-9a-f]{32}$/);
    expect(newSource()).not.toBe(newSource());
  });
});

describe("days", () => {
  it("last from their first to their last microsecond", () => {
    const { start_date, end_date } = moments("2026-03-01", "2026-03-01");
    expect(start_date).toBe(new Date(2026, 2, 1).toISOString());
    expect(end_date).toBe(new Date(2026, 2, 1, 23, 59, 59, 999).toISOString().replace("Z", "999Z"));
    expect(moments(undefined, undefined)).toEqual({ start_date: null, end_date: null });
  });

  it("are read from an address when they are days", () => {
    expect(date("2026-03-01")).toBe("2026-03-01");
    for (const wrong of ["2026-13-01", "1.3.2026", 20260301, ""]) expect(date(wrong)).toBeUndefined();
  });
});

describe("what a call cost", () => {
  const call = { status: "completed", tariff_id: "t", total_cost: "0.0000125", usage_estimated: false } as const;

  it("is told in words, free ones too", () => {
    expect(costInWords(call)).toBe("0.0000125");
    expect(costInWords({ ...call, usage_estimated: true })).toBe("0.0000125, for estimated tokens");
    expect(costInWords({ ...call, tariff_id: null, total_cost: null })).toBe("Free: the model had no price");
    expect(costInWords({ ...call, status: "in_progress", total_cost: null })).toBe("Not known before it ends");
    expect(costInWords({ ...call, status: "failed", total_cost: null })).toBe("Nothing was charged");
  });
});
