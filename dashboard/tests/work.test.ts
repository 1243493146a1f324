import { describe, expect, it } from "vitest";
import type { Batch } from "../src/api/work";
import { dueOf, happenings, metadataOf, notesOf, progressOf, titleOf } from "../src/pages/batches/words";
import { faultsIn, firstCall, jsonLines, lineOf } from "../src/text/jsonl";
import { Pace } from "../src/text/pace";
import { startOf } from "../src/text/ranges";
import { ahead } from "../src/text/format";

const NOW = 1_700_000_000;
const batch: Batch = {
  id: "01a22932-7b3d-768c-a44d-4a0253b5b43e",
  endpoint: "/v1/chat/completions",
  errors: null,
  input_file_id: "f",
  completion_window: "24h",
  status: "in_progress",
  output_file_id: "o",
  error_file_id: "e",
  created_at: NOW,
  in_progress_at: NOW + 1,
  expires_at: NOW + 86_400,
  completed_at: null,
  failed_at: null,
  expired_at: null,
  cancelling_at: null,
  cancelled_at: null,
  request_counts: { total: 2000, completed: 12, failed: 1 },
  metadata: {},
  usage: { input_tokens: 0, input_tokens_details: { cached_tokens: 0 }, output_tokens: 0, output_tokens_details: { reasoning_tokens: 0 }, total_tokens: 0 },
  dwext: { source: "api" },
};
const labels = (of: Batch, now = NOW + 10) => happenings(of, now * 1000).map(({ label, ahead: later }) => (later ? `${label}…` : label));

describe("a batch", () => {
  it("is called by its description, else by its id", () => {
    expect(titleOf(batch)).toBe("Batch 01a22932");
    expect(titleOf({ ...batch, metadata: { batch_description: "Tuesday" } })).toBe("Tuesday");
  });

  it("keeps apart what people wrote and what the server did", () => {
    const metadata: Record<string, string> = { ...metadataOf(" Tuesday ", [["team", "desk"], [" ", "x"]]), created_by_email: "a@b", request_source: "api" };
    expect(metadata["batch_description"]).toBe("Tuesday");
    expect(notesOf({ metadata })).toEqual([["team", "desk"]]);
    expect(metadataOf("", [])).toEqual({});
  });

  it("tells how far it is and how much time is left", () => {
    expect(progressOf(batch)).toBe("12 of 2,000 done, 1 failed");
    expect(dueOf(batch, (NOW + 60) * 1000)).toBe("due in 24 h");
    expect(dueOf({ ...batch, expired_at: batch.expires_at }, (NOW + 86_460) * 1000)).toBe("1 min 0 s late");
    expect(dueOf({ ...batch, status: "completed", completed_at: NOW + 40 }, (NOW + 100) * 1000)).toBe("ended 1 min ago");
  });

  it("has a timeline in the order of what happened", () => {
    expect(labels(batch)).toEqual(["Created", "Started", "Deadline…"]);
    expect(labels({ ...batch, status: "completed", completed_at: NOW + 9 })).toEqual(["Created", "Started", "Completed"]);
    const late: Batch = { ...batch, status: "completed", completed_at: NOW + 86_500, expired_at: batch.expires_at };
    expect(labels(late, NOW + 90_000)).toEqual(["Created", "Started", "Deadline", "Completed"]);
    const stopped: Batch = { ...batch, status: "cancelled", cancelling_at: NOW + 5, cancelled_at: NOW + 6, completed_at: NOW + 6 };
    expect(labels(stopped)).toEqual(["Created", "Started", "Cancel was asked for", "Canceled"]);
  });
});

describe("lines", () => {
  it("are read one by one, and empty ones left out", () => {
    expect(jsonLines('{"a":1}\n\n{"a":2}\n')).toEqual([{ a: 1 }, { a: 2 }]);
    expect(() => jsonLines("{")).toThrow();
  });

  it("tell what a file is for", () => {
    expect(firstCall('{"url":"/v1/embeddings","body":{"model":"m"}}\n{"url":"/v1/x"}')).toEqual({ url: "/v1/embeddings", model: "m" });
    expect(firstCall("nothing")).toEqual({});
    expect(firstCall('{"url":1}')).toEqual({});
  });

  it("are named where they are refused", () => {
    expect(faultsIn("Line 3: url: expected a path")).toEqual([{ line: 3, message: "url: expected a path" }]);
    expect(faultsIn("Line 1: a\nLine 12: b: c\n")).toEqual([
      { line: 1, message: "a" },
      { line: 12, message: "b: c" },
    ]);
    expect(faultsIn("The file is too large.")).toEqual([{ line: null, message: "The file is too large." }]);
  });

  it("are found in a file, whatever pieces it comes in", async () => {
    const text = `one\r\n\n${"ü".repeat(70_000)}\nlast`;
    const file = new Blob([text]);
    expect(await lineOf(file, 1)).toBe("one");
    expect(await lineOf(file, 2)).toBe("");
    expect(await lineOf(file, 3)).toBe(`${"ü".repeat(1500)}…`);
    expect(await lineOf(file, 4)).toBe("last");
    expect(await lineOf(file, 5)).toBeNull();
    // A piece may end anywhere: before, in and after a line break.
    for (let cut = 0; cut <= 8; cut += 1) {
      const whole = "ab\ncd\nef";
      const pieces = new Blob([whole.slice(0, cut), whole.slice(cut)]);
      expect([await lineOf(pieces, 1), await lineOf(pieces, 2), await lineOf(pieces, 3), await lineOf(pieces, 4)]).toEqual(["ab", "cd", "ef", null]);
    }
  });
});

describe("the pace", () => {
  it("slows down while nothing changes, and is quick again when something does", () => {
    const pace = new Pace(2000, 10_000);
    const still = { a: 1 };
    const waits = [1, 2, 3, 4, 5, 6, 7, 8].map((moment) => pace.next(still, moment));
    expect(waits.slice(0, 3)).toEqual([2000, 2000, 3200]);
    expect(waits.at(-1)).toBe(10_000);
    expect(waits).toEqual([...waits].sort((one, other) => one - other));
    expect(pace.next({ a: 1 }, 9)).toBe(2000);
  });

  it("says the same about the same answer, however often it is asked", () => {
    const pace = new Pace();
    const still = {};
    pace.next(still, 1);
    pace.next(still, 2);
    const wait = pace.next(still, 3);
    expect([pace.next(still, 3), pace.next(still, 3)]).toEqual([wait, wait]);
  });
});

describe("times", () => {
  it("that are to come are told as people say them", () => {
    const told = [-5, 40, 90, 3600 * 5, 3600 * 47, 3600 * 72].map((seconds) => ahead(NOW * 1000 + seconds * 1000, NOW * 1000));
    expect(told).toEqual(["now", "in 40 s", "in 2 min", "in 5 h", "in 47 h", "in 3 d"]);
  });

  it("of a range stay the same for a minute", () => {
    expect(startOf("all")).toBeUndefined();
    const noon = Date.UTC(2026, 0, 1, 12, 0, 5);
    expect(startOf("1h", noon)).toBe("2026-01-01T11:00:00.000Z");
    expect(startOf("1h", noon + 50_000)).toBe(startOf("1h", noon));
  });
});
