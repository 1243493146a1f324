/** Reads what stands in the query of an address. What makes no sense counts as absent. Pure. */

type Reader = (value: unknown) => unknown;
type Found<R extends Record<string, Reader>> = { [K in keyof R]?: Exclude<ReturnType<R[K]>, undefined> };

/** Reads each name with its reader, and leaves out what is absent, so that addresses stay short. */
export function reads<R extends Record<string, Reader>>(readers: R): (given: Record<string, unknown>) => Found<R> {
  return (given) => {
    const found = Object.entries(readers).map(([name, read]) => [name, read(given[name])] as const);
    return Object.fromEntries(found.filter(([, value]) => value !== undefined)) as Found<R>;
  };
}

export function text(value: unknown): string | undefined {
  if (typeof value === "number") return String(value);
  return typeof value === "string" && value !== "" ? value : undefined;
}

/** A page after the first. */
export function number(value: unknown): number | undefined {
  const found = Number(value);
  return Number.isInteger(found) && found > 1 ? found : undefined;
}

/** A day, `2026-11-25`. */
export function date(value: unknown): string | undefined {
  const written = typeof value === "string" && /^\d{4}-\d{2}-\d{2}$/.test(value);
  return written && !Number.isNaN(new Date(`${value}T00:00`).getTime()) ? value : undefined;
}

export function flag(value: unknown): true | undefined {
  return value === true || value === "true" || value === 1 ? true : undefined;
}

export function oneOf<const T extends string>(choices: readonly T[]): (value: unknown) => T | undefined {
  return (value) => choices.find((each) => each === value);
}
