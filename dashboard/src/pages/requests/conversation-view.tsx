import { cx } from "@/ui/classes";
import { Note } from "@/ui/state";
import type { Part, Turn } from "./conversation";

const NAMES: Record<string, string> = { system: "System", developer: "Developer", user: "User", assistant: "Assistant", tool: "Tool" };

export function Conversation({ turns }: { turns: readonly Turn[] }) {
  return (
    <ol className="space-y-4">
      {turns.map((turn, at) => (
        <li key={at}>
          <h3 className="mb-1 text-[0.88rem] font-medium text-quiet">{NAMES[turn.role] ?? turn.role}</h3>
          <div
            className={cx(
              "space-y-3 rounded-lg border px-4 py-3",
              turn.role === "user" ? "border-transparent bg-accent-soft" : turn.role === "assistant" ? "border-line" : "border-transparent bg-sunken",
            )}
          >
            {turn.parts.map((part, index) => (
              <Piece key={index} part={part} />
            ))}
            {turn.parts.length === 0 && <p className="text-quiet">Nothing.</p>}
          </div>
        </li>
      ))}
    </ol>
  );
}

const TEXT = "whitespace-pre-wrap [overflow-wrap:anywhere]";

export function Piece({ part }: { part: Part }) {
  switch (part.kind) {
    case "text":
      return <p className={TEXT}>{part.text}</p>;
    case "reasoning":
      return (
        <details>
          <summary className="rounded text-quiet">Reasoning</summary>
          <p className={cx(TEXT, "mt-2 border-l-2 border-line pl-3 text-quiet")}>{part.text}</p>
        </details>
      );
    case "call":
      return (
        <div>
          <p className="font-medium">
            Calls <span className="font-mono text-[0.92rem]">{part.name}</span>
          </p>
          <pre tabIndex={0} className="mt-1 overflow-x-auto rounded-md bg-sunken px-3 py-2 font-mono text-[0.88rem]">{part.text}</pre>
        </div>
      );
    case "code":
      return <pre tabIndex={0} className="overflow-x-auto rounded-md bg-sunken px-3 py-2 font-mono text-[0.88rem]">{part.text}</pre>;
    case "image":
      return <p className="text-quiet">{part.text}</p>;
    case "error":
      return <Note tone="bad">{part.text}</Note>;
  }
}
