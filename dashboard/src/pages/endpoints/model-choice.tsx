/** Which of a server's models are taken, and how callers name them. */
import { useState } from "react";
import { Button } from "@/ui/button";
import { SearchBox } from "@/ui/field";

export interface Choice {
  chosen: ReadonlySet<string>;
  /** By the server's own name; a model without one keeps that name. */
  aliases: Readonly<Record<string, string>>;
}

interface Props {
  names: readonly string[];
  choice: Choice;
  onChange: (choice: Choice) => void;
  /** Names whose alias somebody else has. */
  taken?: ReadonlySet<string>;
  /** Aliases stay as they are. */
  fixed?: boolean;
}

export function ModelChoice({ names, choice, onChange, taken, fixed }: Props) {
  const [search, setSearch] = useState("");
  const found = names.filter((name) => name.toLowerCase().includes(search.toLowerCase()));
  const all = found.length > 0 && found.every((name) => choice.chosen.has(name));
  const choose = (some: readonly string[], on: boolean) => {
    const chosen = new Set(choice.chosen);
    for (const name of some) {
      if (on) chosen.add(name);
      else chosen.delete(name);
    }
    onChange({ ...choice, chosen });
  };
  return (
    <div role="group" aria-label="Models">
      <div className="mb-1.5 flex items-end justify-between gap-3">
        <span className="text-[0.93rem] font-medium">
          Models <span className="ml-1 font-normal text-quiet tabular-nums">{choice.chosen.size} of {names.length} chosen</span>
        </span>
        <Button size="sm" look="ghost" onClick={() => choose(found, !all)}>
          {all ? "Choose none" : "Choose all"}
        </Button>
      </div>
      {names.length > 6 && <SearchBox label="Search models" className="mb-2" value={search} onChange={(event) => setSearch(event.target.value)} />}
      <ul aria-label="Models of the server" className="max-h-72 divide-y divide-line overflow-y-auto rounded-lg border border-line" tabIndex={-1}>
        {found.map((name) => {
          const alias = choice.aliases[name] ?? name;
          return (
            <li key={name} className="px-3 py-1.5">
              <div className="flex min-h-8 items-center gap-3">
                <label className="flex min-w-0 flex-1 cursor-pointer items-center gap-2.5">
                  <input type="checkbox" className="size-4 shrink-0 accent-(--solid)" checked={choice.chosen.has(name)} onChange={(event) => choose([name], event.target.checked)} />
                  <span className="font-mono text-[0.92rem] [overflow-wrap:anywhere]">{name}</span>
                </label>
                {!fixed && choice.chosen.has(name) && (
                  <input
                    aria-label={`Alias of ${name}`}
                    title="The name that callers use"
                    value={alias}
                    aria-invalid={taken?.has(name) ? true : undefined}
                    onChange={(event) => onChange({ ...choice, aliases: { ...choice.aliases, [name]: event.target.value } })}
                    className="h-8 w-2/5 min-w-0 rounded-md border border-line bg-transparent px-2 font-mono text-[0.92rem] hover:border-edge focus:border-accent focus:bg-surface aria-invalid:border-bad"
                  />
                )}
              </div>
              {taken?.has(name) && <p className="pb-1 text-[0.9rem] text-bad">Another model is called “{alias}”. Give this one another alias.</p>}
            </li>
          );
        })}
        {found.length === 0 && <li className="px-3 py-4 text-center text-quiet">No model is called that.</li>}
      </ul>
      {!fixed && <p className="mt-1.5 text-[0.9rem] text-quiet">Callers use the alias at the right; change it where another name is better.</p>}
    </div>
  );
}
