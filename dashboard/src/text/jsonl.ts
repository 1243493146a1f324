/** Lines of JSON, and what the server says of them. Pure, but for `lineOf`, which reads a file. */

/** Each line as a value. What is no JSON raises. */
export function jsonLines(text: string): unknown[] {
  return text
    .split("\n")
    .filter((line) => line.trim() !== "")
    .map((line) => JSON.parse(line) as unknown);
}

/** The first line of requests as far as a form needs it; what cannot be read is absent. */
export function firstCall(text: string): { url?: string; model?: string } {
  try {
    const line = JSON.parse(text.split("\n", 1)[0] ?? "") as { url?: unknown; body?: { model?: unknown } };
    const found: { url?: string; model?: string } = {};
    if (typeof line.url === "string") found.url = line.url;
    if (typeof line.body?.model === "string") found.model = line.body.model;
    return found;
  } catch {
    return {};
  }
}

export interface Fault {
  /** From 1; null when it is about no line. */
  line: number | null;
  message: string;
}

/** What is wrong with a file, line by line: `Line 3: url: expected …`. */
export function faultsIn(message: string): Fault[] {
  return message
    .split("\n")
    .filter((each) => each.trim() !== "")
    .map((each) => {
      const found = /^Line (\d+): (.*)$/.exec(each.trim());
      return found ? { line: Number(found[1]), message: found[2] ?? "" } : { line: null, message: each.trim() };
    });
}

const MOST_SHOWN = 1500;

/** The beginning of a line of a file, from 1; null when it has none. Only as much is read as it takes. */
export async function lineOf(file: Blob, line: number): Promise<string | null> {
  const reader = file.stream().pipeThrough(new TextDecoderStream()).getReader();
  let at = 1;
  let found = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      let start = 0;
      while (at < line && start !== -1) {
        const end = value.indexOf("\n", start);
        start = end === -1 ? -1 : end + 1;
        if (end !== -1) at += 1;
      }
      if (start === -1) continue;
      const end = value.indexOf("\n", start);
      found += value.slice(start, end === -1 ? undefined : end);
      if (end !== -1 || found.length > MOST_SHOWN) break;
    }
  } finally {
    await reader.cancel();
  }
  if (at < line) return null;
  return found.length > MOST_SHOWN ? `${found.slice(0, MOST_SHOWN)}…` : found.replace(/\r$/, "");
}
