import { describe, expect, it } from "vitest";
import { ago, bytes, count, duration, initials, plural } from "../src/text/format";

describe("figures", () => {
  it("groups thousands, and shows a dash for what is not known", () => {
    expect(count(1234567)).toBe("1,234,567");
    expect(count(0)).toBe("0");
    expect(count(null)).toBe("–");
  });

  it("gives durations the unit that reads best", () => {
    expect([0.26, 3.4, 61.19, 999.4].map(duration)).toEqual(["0.3 ms", "3 ms", "61 ms", "999 ms"]);
    expect([1280.29, 12_340, 125_000].map(duration)).toEqual(["1.28 s", "12.3 s", "2 min 5 s"]);
    expect(duration(null)).toBe("–");
  });

  it("rounds up into the next unit, never to 60 s", () => {
    expect(duration(59_999)).toBe("1 min 0 s");
    expect(duration(999.7)).toBe("1.00 s");
    expect(duration(9_999)).toBe("10.0 s");
  });

  it("tells sizes", () => {
    expect([186, 5533, 2_100_000].map(bytes)).toEqual(["186 B", "5.5 kB", "2.1 MB"]);
  });

  it("counts things", () => {
    expect([0, 1, 2].map((number) => plural(number, "model"))).toEqual(["0 models", "1 model", "2 models"]);
  });
});

describe("moments", () => {
  const now = Date.parse("2026-11-25T12:00:00Z");
  const before = (seconds: number) => ago(new Date(now - seconds * 1000).toISOString(), now);

  it("tells how long ago", () => {
    expect([1, 42, 200, 7300, 200_000].map(before)).toEqual(["just now", "42 s ago", "3 min ago", "2 h ago", "2 d ago"]);
    expect(ago(null)).toBe("never");
  });

  it("gives the date after a month", () => {
    expect(before(90 * 86_400)).toBe("27 Aug 2026");
  });
});

describe("initials", () => {
  it("takes them from names and addresses", () => {
    expect(["Ada Lovelace", "admin@localhost", "grace", ""].map(initials)).toEqual(["AL", "A", "G", "?"]);
  });
});
