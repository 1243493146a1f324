import { describe, expect, it } from "vitest";
import { amountFault, decimal, minus, money, parts, perMillion, perToken, plus, priceFault, readMoney, sign, units } from "../src/text/money";

/** As many digits as a balance may have, where a float has seventeen. */
const LONG = "123456789012345678901.123456789012345";

describe("amounts", () => {
  it("keep every digit", () => {
    expect(decimal(units(LONG))).toBe(LONG);
    expect(plus(LONG, "0.000000000000001")).toBe("123456789012345678901.123456789012346");
    expect(minus("0.3", "0.1")).toBe("0.2");
    expect(plus("0.1", "0.2")).toBe("0.3");
    expect(minus("1", "1.000000000000001")).toBe("-0.000000000000001");
  });

  it("come back from units as they went there", () => {
    for (const amount of ["0", "7", "-7", "0.5", "-0.000000000000001", "10", "100.01"]) expect(decimal(units(amount))).toBe(amount);
  });

  it("know their sign", () => {
    expect(["-0.1", "0", "0.000", "0.1"].map(sign)).toEqual([-1, 0, 0, 1]);
  });

  it("that are none raise", () => {
    for (const wrong of ["", "x", "1e5", "1.", ".5", "0.0000000000000001"]) expect(() => units(wrong)).toThrow(RangeError);
  });
});

describe("amounts as text", () => {
  it("have groups and at least two decimals", () => {
    expect(["0", "5", "1234.5", "-1234567.891", "0.0000125"].map(money)).toEqual(["0.00", "5.00", "1,234.50", "−1,234,567.891", "0.0000125"]);
  });

  it("are told apart at the second decimal", () => {
    expect(parts("-12.3456")).toEqual(["−12.34", "56"]);
    expect(parts(LONG).join("")).toBe("123,456,789,012,345,678,901.123456789012345");
  });
});

describe("prices", () => {
  it("go to a million tokens and back", () => {
    expect(["0.00000015", "0", "0.000000000000001", "99999"].map(perMillion)).toEqual(["0.15", "0", "0.000000001", "99999000000"]);
    for (const price of ["0.00000015", "0", "0.000000000000001", "99999"]) expect(perToken(perMillion(price))).toBe(price);
  });

  it("that are typed have as many decimals as a token's price can hold", () => {
    expect(priceFault("0.123456789")).toBeNull();
    expect(priceFault("0")).toBeNull();
    for (const wrong of ["", "0.1234567891", "-1", "1,5", "free"]) expect(priceFault(wrong)).not.toBeNull();
  });
});

describe("what is typed", () => {
  it("is read as the server takes it", () => {
    expect(["12.50", " 007 ", ".5", "3.", "0"].map((typed) => readMoney(typed))).toEqual(["12.5", "7", "0.5", "3", "0"]);
    for (const wrong of ["", ".", "1,5", "1e3", "-2", "1.0000000000000001"]) expect(readMoney(wrong)).toBeNull();
  });

  it("as an amount is above zero", () => {
    expect(amountFault("0.01")).toBeNull();
    expect(amountFault("0")).toBe("It must be above zero.");
    expect(amountFault("ten")).toContain("12.50");
  });
});
