/** Lays a fresh first page over the rows that are known already. Pure. */

interface Row {
  id: string;
}
export interface Page<R extends Row> {
  entries: R[];
  next_cursor: string | null;
}
export interface FeedOf<R extends Row> {
  rows: R[];
  /** Where older rows begin; null when there are none. */
  next: string | null;
  /** What came with the last look, so that it can be shown as new. */
  arrived: ReadonlySet<string>;
}
export type Feed = FeedOf<import("./feed").Entry>;

const NONE: ReadonlySet<string> = new Set();

/** `size` is how many rows were asked for. */
export function merged<R extends Row>(known: FeedOf<R> | undefined, head: Page<R>, size: number): FeedOf<R> {
  if (known === undefined || head.next_cursor === null) {
    return { rows: head.entries, next: head.next_cursor, arrived: known ? newIn(known, head) : NONE };
  }
  const ids = new Set(head.entries.map((row) => row.id));
  const oldest = head.entries.at(-1);
  const meets = oldest === undefined ? -1 : known.rows.findIndex((row) => row.id === oldest.id);
  if (meets === -1 && head.entries.length >= size && !known.rows.some((row) => ids.has(row.id))) {
    // More came than a page holds: what lies between is not known, so the list begins anew.
    return { rows: head.entries, next: head.next_cursor, arrived: newIn(known, head) };
  }
  const rest = meets === -1 ? known.rows.filter((row) => !ids.has(row.id)) : known.rows.slice(meets + 1);
  return { rows: [...head.entries, ...rest], next: known.next ?? null, arrived: newIn(known, head) };
}

/** With a page of older rows. */
export function extended<R extends Row>(known: FeedOf<R>, older: Page<R>): FeedOf<R> {
  const ids = new Set(known.rows.map((row) => row.id));
  const rows = older.entries.filter((row) => !ids.has(row.id));
  return { rows: [...known.rows, ...rows], next: older.next_cursor, arrived: NONE };
}

function newIn<R extends Row>(known: FeedOf<R>, head: Page<R>): ReadonlySet<string> {
  const before = new Set(known.rows.map((row) => row.id));
  return new Set(head.entries.filter((row) => !before.has(row.id)).map((row) => row.id));
}
