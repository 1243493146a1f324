/** The schema of a tool's arguments, between the text that people write and what the API takes. Pure. */

export type Schema = Record<string, unknown>;

export function schemaOut(schema: Schema | null): string {
  return schema === null ? "" : JSON.stringify(schema, null, 2);
}

/** Nothing is no schema; what is no JSON object comes with the reason. */
export function schemaIn(text: string): { schema: Schema | null; fault: string | null } {
  if (text.trim() === "") return { schema: null, fault: null };
  let read: unknown;
  try {
    read = JSON.parse(text);
  } catch (error) {
    return { schema: null, fault: `This is not JSON: ${error instanceof Error ? error.message : String(error)}` };
  }
  if (typeof read !== "object" || read === null || Array.isArray(read)) return { schema: null, fault: "Expected a JSON object." };
  return { schema: read as Schema, fault: null };
}
