import { describe, expect, it } from "vitest";
import { extended, merged, type FeedOf } from "../src/pages/requests/merge";

interface Row {
  id: string;
  status?: string;
}
const rows = (...ids: string[]): Row[] => ids.map((id) => ({ id }));
const ids = (feed: FeedOf<Row>) => feed.rows.map((row) => row.id).join("");
const first = merged<Row>(undefined, { entries: rows("d", "c"), next_cursor: "c" }, 2);

describe("merged", () => {
  it("begins with the first page, of which nothing is new", () => {
    expect(ids(first)).toBe("dc");
    expect(first.arrived.size).toBe(0);
  });

  it("lays new rows on top and keeps the older ones", () => {
    const older = extended(first, { entries: rows("b", "a"), next_cursor: null });
    const next = merged(older, { entries: rows("e", "d"), next_cursor: "d" }, 2);
    expect(ids(next)).toBe("edcba");
    expect([...next.arrived]).toEqual(["e"]);
    expect(next.next).toBeNull();
  });

  it("replaces rows that have changed", () => {
    const running: FeedOf<Row> = { ...first, rows: [{ id: "d", status: "in_progress" }, { id: "c" }] };
    const next = merged(running, { entries: [{ id: "d", status: "completed" }, { id: "c" }], next_cursor: "c" }, 2);
    expect(next.rows[0]?.status).toBe("completed");
  });

  it("drops rows that the filter no longer finds", () => {
    const next = merged(first, { entries: rows("c"), next_cursor: "c" }, 2);
    expect(ids(next)).toBe("c");
  });

  it("begins anew when more came than a page holds", () => {
    const next = merged(first, { entries: rows("z", "y"), next_cursor: "y" }, 2);
    expect(ids(next)).toBe("zy");
    expect(next.next).toBe("y");
  });

  it("takes a page that is everything as everything", () => {
    expect(ids(merged(first, { entries: [], next_cursor: null }, 2))).toBe("");
  });
});

describe("extended", () => {
  it("adds older rows once", () => {
    const older = extended(first, { entries: rows("c", "b"), next_cursor: "b" });
    expect(ids(older)).toBe("dcb");
    expect(older.next).toBe("b");
  });
});
