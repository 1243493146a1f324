import { describe, expect, it } from "vitest";
import { address } from "../src/api/client";
import { headersIn, headersOut } from "../src/pages/models/headers";
import { can } from "../src/session/permissions";
import { flag, number, oneOf, reads, text } from "../src/text/search";
import { snippet } from "../src/text/snippets";

describe("address", () => {
  it("fills in names and leaves out what is absent", () => {
    expect(address("/users/{user_id}/keys", { user_id: "a/b" }, { q: "x y", none: null, empty: "", limit: 5 })).toBe("/users/a%2Fb/keys?q=x+y&limit=5");
  });
});

describe("the query of an address", () => {
  const read = reads({ q: text, page: number, create: flag, range: oneOf(["1h", "24h"]) });

  it("is read by type", () => {
    expect(read({ q: 7, page: "3", create: true, range: "1h" })).toEqual({ q: "7", page: 3, create: true, range: "1h" });
  });

  it("counts what makes no sense as absent", () => {
    expect(read({ q: "", page: "one", create: "no", range: "2h", other: 1 })).toEqual({});
  });
});

describe("snippets", () => {
  const call = { baseUrl: "http://localhost:3001/ai/v1", key: "sk-x", model: "it's", prompt: "Hello" };

  it("quote for the shell", () => {
    expect(snippet("curl", call)).toContain(`"model": "it'\\''s"`);
  });

  it("name address, key and model in each language", () => {
    for (const language of ["curl", "Python", "JavaScript"] as const) {
      const found = snippet(language, { ...call, model: "m" });
      for (const word of [call.baseUrl, "sk-x", '"m"']) expect(found).toContain(word);
    }
  });
});

describe("headers of answers", () => {
  it("go to text and back", () => {
    const headers = { "x-price": "0.1", link: "a: b" };
    expect(headersIn(headersOut(headers))).toEqual(headers);
    expect(headersIn(" \n")).toBeNull();
  });
});

describe("permissions", () => {
  it("are those of the roles together; administrators have all", () => {
    expect(can({ is_admin: false, roles: ["StandardUser"] }, "models.manage")).toBe(false);
    expect(can({ is_admin: false, roles: ["StandardUser", "PlatformManager"] }, "models.manage")).toBe(true);
    expect(can({ is_admin: false, roles: ["PlatformManager"] }, "requests.all")).toBe(false);
    expect(can({ is_admin: true, roles: [] }, "requests.all")).toBe(true);
    for (const role of ["PlatformManager", "BillingManager"]) expect(can({ is_admin: false, roles: [role] }, "credits.manage")).toBe(true);
    expect(can({ is_admin: false, roles: ["RequestViewer"] }, "credits.manage")).toBe(false);
  });
});
