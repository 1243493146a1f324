/** Reads the events of a streamed answer, however its bytes are cut into pieces. Pure. */

export class EventReader {
  private rest = "";

  /** The `data` of every event that this piece completes. */
  push(piece: string): string[] {
    const blocks = (this.rest + piece).replace(/\r\n?/g, "\n").split("\n\n");
    this.rest = blocks.pop() ?? "";
    // A CR at the very end may be half of a CRLF.
    if (piece.endsWith("\r")) this.rest = `${this.rest.slice(0, -1)}\r`;
    return blocks.map(dataOf).filter((data): data is string => data !== null);
  }
}

function dataOf(block: string): string | null {
  const lines = block
    .split("\n")
    .filter((line) => line.startsWith("data:"))
    .map((line) => line.slice(line.charAt(5) === " " ? 6 : 5));
  return lines.length > 0 ? lines.join("\n") : null;
}

/** The words that one event of a chat stream adds. */
export function deltaOf(data: string): string {
  if (data === "[DONE]") return "";
  const event = JSON.parse(data) as {
    choices?: { delta?: { content?: string | null } }[];
    error?: { message?: string };
  };
  if (event.error) throw new Error(event.error.message ?? "The stream ended with an error.");
  return event.choices?.[0]?.delta?.content ?? "";
}
