import { describe, expect, it } from "vitest";
import { schemaIn, schemaOut } from "../src/pages/tools/schema";
import { faultsOf } from "../src/text/faults";

describe("what the server says is wrong", () => {
  const fields = ["name", "parameters"] as const;

  it("is told at the field that it names", () => {
    expect(faultsOf("name: expected a name", fields)).toEqual({ at: { name: "Expected a name" }, other: null });
    expect(faultsOf("parameters.type: expected 'object'", fields)).toEqual({ at: { parameters: "Type: expected 'object'" }, other: null });
    expect(faultsOf("parameters.required[0]: expected str: no", fields)).toEqual({ at: { parameters: "Required[0]: expected str: no" }, other: null });
  });

  it("is told below all of them where it names none", () => {
    for (const text of ["The server does not answer.", "url: expected an address", "Sorry: no"]) expect(faultsOf(text, fields)).toEqual({ at: {}, other: text });
    expect(faultsOf(null, fields)).toEqual({ at: {}, other: null });
  });
});

describe("a schema", () => {
  it("is written and read", () => {
    const schema = { type: "object", properties: {} };
    expect(schemaIn(schemaOut(schema))).toEqual({ schema, fault: null });
    expect(schemaIn(schemaOut(null))).toEqual({ schema: null, fault: null });
  });

  it("that is no JSON object says so", () => {
    for (const text of ["[]", "3", "null", '"x"']) expect(schemaIn(text)).toEqual({ schema: null, fault: "Expected a JSON object." });
    expect(schemaIn("{").fault).toContain("This is not JSON");
  });
});
