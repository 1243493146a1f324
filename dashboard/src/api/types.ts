/** Short names for the shapes of the admin API. */
import type { Schemas } from "./client";

export type User = Schemas["User"];
export type Group = Schemas["Group"];
export type Endpoint = Schemas["Endpoint"];
export type Model = Schemas["Model"];
export type ModelUpdate = Schemas["ModelUpdate"];
export type ModelCreate = Schemas["ModelCreate"];
export type Component = Schemas["Component"];
export type ApiKey = Schemas["ApiKey"];
export type Tariff = Schemas["Tariff"];
export type TariffGiven = Schemas["TariffGiven"];
export type Transaction = Schemas["Transaction"];
export type ToolSource = Schemas["ToolSource"];
export type UpstreamModel = Schemas["UpstreamModel"];

/** The group that everyone is in. */
export const EVERYONE = "00000000-0000-0000-0000-000000000000";
