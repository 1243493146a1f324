/** What entries of the ledger do to a balance, and how they are called. Pure. */
import type { Transaction } from "@/api/types";
import { minus } from "@/text/money";

export type Kind = Transaction["transaction_type"];
type Moved = Pick<Transaction, "transaction_type" | "exact_amount">;

export const KIND_LABELS: Record<Kind, string> = {
  usage: "Usage",
  admin_grant: "Credits added",
  admin_removal: "Credits removed",
  purchase: "Purchase",
};

export function adds(kind: Kind): boolean {
  return kind === "admin_grant" || kind === "purchase";
}

/** What the entry adds to the balance: below zero when it takes away. */
export function signed({ transaction_type, exact_amount }: Moved): string {
  return adds(transaction_type) ? exact_amount : minus("0", exact_amount);
}

/** The balance after each entry of an account, newest first; `start` is the one after the first of them. */
export function balances(start: string, entries: readonly Moved[]): string[] {
  let balance = start;
  return entries.map((entry) => {
    const after = balance;
    balance = minus(balance, signed(entry));
    return after;
  });
}

/** The moments from the first to the last of these days, in the reader's time zone, as the server takes them. */
export function moments(from: string | undefined, to: string | undefined): { start_date: string | null; end_date: string | null } {
  let end: string | null = null;
  if (to) {
    const next = new Date(`${to}T00:00`);
    next.setDate(next.getDate() + 1);
    // The last millisecond, and its last microsecond: the server's clock has those.
    end = new Date(next.getTime() - 1).toISOString().replace("Z", "999Z");
  }
  return { start_date: from ? new Date(`${from}T00:00`).toISOString() : null, end_date: end };
}

/** The call that an entry charges, as the list of requests knows it; null for what is no charge. */
export function requestOf({ transaction_type, source_id }: Pick<Transaction, "transaction_type" | "source_id">): string | null {
  return transaction_type === "usage" ? `resp_${source_id.replace(/:\d+$/, "")}` : null;
}

/** Names a booking that is made here, so that sending it twice books it once. Pages without TLS have no `randomUUID`. */
export function newSource(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return `dashboard-${[...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}
