/** How figures and moments are written, everywhere the same. Pure. */

const NUMBER = new Intl.NumberFormat("en-US");

/** 1234567 → `1,234,567`; what is not known is a dash. */
export function count(value: number | null | undefined): string {
  return value === null || value === undefined ? "–" : NUMBER.format(value);
}

/** `186 B`, `5.5 kB`, `2.1 MB`. */
export function bytes(value: number | null | undefined): string {
  if (value === null || value === undefined) return "–";
  if (value < 1000) return `${value} B`;
  return value < 1_000_000 ? `${(value / 1000).toFixed(1)} kB` : `${(value / 1_000_000).toFixed(1)} MB`;
}

/** Milliseconds: `0.8 ms`, `42 ms`, `1.24 s`, `2 min 5 s`. */
export function duration(milliseconds: number | null | undefined): string {
  if (milliseconds === null || milliseconds === undefined) return "–";
  if (milliseconds < 1) return `${milliseconds.toFixed(1)} ms`;
  // Each bound is where the shorter form would round up to the next unit.
  if (milliseconds < 999.5) return `${Math.round(milliseconds)} ms`;
  const seconds = milliseconds / 1000;
  if (seconds < 9.995) return `${seconds.toFixed(2)} s`;
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

/** How long ago: `just now`, `12 s ago`, `3 min ago`, `2 h ago`, `5 d ago`, then the date. */
export function ago(moment: string | number | Date | null | undefined, now: number = Date.now()): string {
  if (moment === null || moment === undefined) return "never";
  const then = new Date(moment).getTime();
  const seconds = Math.round((now - then) / 1000);
  if (seconds < 5) return "just now";
  if (seconds < 60) return `${seconds} s ago`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ago`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return `${hours} h ago`;
  const days = Math.floor(hours / 24);
  return days < 30 ? `${days} d ago` : day(moment);
}

/** How far ahead: `in 40 s`, `in 5 min`, `in 3 h`, `in 2 d`; what is past is `now`. */
export function ahead(moment: string | number | Date, now: number = Date.now()): string {
  const seconds = Math.round((new Date(moment).getTime() - now) / 1000);
  if (seconds <= 0) return "now";
  if (seconds < 60) return `in ${seconds} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return `in ${minutes} min`;
  const hours = Math.round(minutes / 60);
  return hours < 48 ? `in ${hours} h` : `in ${Math.round(hours / 24)} d`;
}

/** `25 Nov 2026`, in the reader's time zone. */
export function day(moment: string | number | Date): string {
  return new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric" }).format(new Date(moment));
}

/** `25 Nov 2026, 10:43:49`. */
export function exact(moment: string | number | Date): string {
  return new Intl.DateTimeFormat("en-GB", {
    day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit",
  }).format(new Date(moment));
}

/** `10:43:49`. */
export function clock(moment: string | number | Date): string {
  return new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" }).format(
    new Date(moment),
  );
}

/** `10:43:49.021`. */
export function fineClock(moment: string | number | Date): string {
  return new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3 }).format(new Date(moment));
}

/** `1 model`, `2 models`. */
export function plural(number: number, one: string, many: string = `${one}s`): string {
  return `${count(number)} ${number === 1 ? one : many}`;
}

/** `admin@localhost` → `A`, `Ada Lovelace` → `AL`. */
export function initials(name: string): string {
  const words = name.split(/[\s._-]+/).filter(Boolean);
  const letters = name.includes("@") ? [name] : words.slice(0, 2);
  return letters.map((word) => word.charAt(0).toUpperCase()).join("") || "?";
}
