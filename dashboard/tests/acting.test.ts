import { expect, it } from "vitest";
import { actingFor } from "../src/session/session";

const ORGANIZATIONS = [
  { id: "o", name: "Acme", role: "member" as const },
  { id: "p", name: "Other", role: "admin" as const },
];

it("acts for oneself unless an organization is chosen that one belongs to", () => {
  const own = { id: "me", organization: null, leads: true };
  expect(actingFor({ id: "me" })).toEqual(own);
  expect(actingFor({ id: "me", organizations: ORGANIZATIONS, active_organization_id: null })).toEqual(own);
  expect(actingFor({ id: "me", organizations: ORGANIZATIONS, active_organization_id: "gone" })).toEqual(own);
});

it("knows whether one leads it", () => {
  const [member, admin] = ["o", "p"].map((id) => actingFor({ id: "me", organizations: ORGANIZATIONS, active_organization_id: id }));
  expect([member?.id, member?.leads, member?.organization?.name]).toEqual(["o", false, "Acme"]);
  expect([admin?.id, admin?.leads]).toEqual(["p", true]);
});
