/** Amounts of money and prices: decimal strings, worked with as whole numbers of the smallest unit, never as floats. Pure. */

/** Decimals of an amount, and of a price for one token. */
const PLACES = 15;
/** A price for one token shows six decimals fewer for a million of them. */
const MILLION = 6;
const PRICE_PLACES = PLACES - MILLION;
const WRITTEN = /^(-?)(\d+)(?:\.(\d+))?$/;

/** `1.5` → 1500000000000000n. What the server never sends raises. */
export function units(amount: string): bigint {
  const found = WRITTEN.exec(amount);
  const decimals = found?.[3] ?? "";
  if (!found || decimals.length > PLACES) throw new RangeError(`Not an amount: ${amount}`);
  const size = BigInt(`${found[2] ?? ""}${decimals.padEnd(PLACES, "0")}`);
  return found[1] ? -size : size;
}

/** The other way round, without zeros that say nothing. */
export function decimal(size: bigint): string {
  const digits = (size < 0n ? -size : size).toString().padStart(PLACES + 1, "0");
  const decimals = digits.slice(-PLACES).replace(/0+$/, "");
  return `${size < 0n ? "-" : ""}${digits.slice(0, -PLACES)}${decimals && `.${decimals}`}`;
}

export function plus(some: string, more: string): string {
  return decimal(units(some) + units(more));
}

export function minus(some: string, less: string): string {
  return decimal(units(some) - units(less));
}

/** Below, at or above zero: -1, 0, 1. */
export function sign(amount: string): number {
  const size = units(amount);
  return size < 0n ? -1 : size > 0n ? 1 : 0;
}

/** Every digit, in two parts: what is read at a glance, `−1,234.50`, and the decimals after it, `0012`. */
export function parts(amount: string): [string, string] {
  const [whole = "0", decimals = ""] = decimal(units(amount)).replace("-", "").split(".");
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, ",");
  return [`${sign(amount) < 0 ? "−" : ""}${grouped}.${decimals.slice(0, 2).padEnd(2, "0")}`, decimals.slice(2)];
}

/** `1234.5` → `1,234.50`; more decimals stay. */
export function money(amount: string): string {
  return parts(amount).join("");
}

/** For one token → for a million: `0.00000015` → `0.15`. */
export function perMillion(price: string): string {
  return decimal(units(price) * 10n ** BigInt(MILLION));
}

/** For a million tokens → for one; exact for what `priceFault` finds good. */
export function perToken(price: string): string {
  return decimal(units(price) / 10n ** BigInt(MILLION));
}

/** What somebody typed as the server takes it: `007.50` → `7.5`; null when it is no number, or has too many decimals. */
export function readMoney(typed: string, places: number = PLACES): string | null {
  const found = /^(\d*)(?:\.(\d*))?$/.exec(typed.trim());
  if (!found || !(found[1] || found[2]) || (found[2] ?? "").length > places) return null;
  return decimal(units(`${found[1] || "0"}.${(found[2] ?? "").padEnd(1, "0")}`));
}

/** What is wrong with an amount that was typed, which must be above zero. */
export function amountFault(typed: string): string | null {
  const amount = readMoney(typed);
  if (amount === null) return `Write it like 12.50, with at most ${PLACES} decimals.`;
  return sign(amount) > 0 ? null : "It must be above zero.";
}

/** What is wrong with a price for a million tokens; zero is one. */
export function priceFault(typed: string): string | null {
  return readMoney(typed, PRICE_PLACES) === null ? `Write it like 0.15, with at most ${PRICE_PLACES} decimals.` : null;
}
