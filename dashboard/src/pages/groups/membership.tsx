import { useState, type ReactNode } from "react";
import { SearchBox, Switch } from "@/ui/field";
import { Bones } from "@/ui/state";

interface Member {
  id: string;
  title: string;
  hint: string;
}

interface Props {
  what: string;
  search: string;
  all: readonly Member[] | undefined;
  inside: ReadonlySet<string>;
  /** The one that is being changed. */
  busy: string | null;
  onChange: (id: string, on: boolean) => void;
  /** What is shown when there is nothing to choose from. */
  none: ReactNode;
}

/** Everything that could be in a group, those inside first, each with a switch. */
export function Membership({ what, search, all, inside, busy, onChange, none }: Props) {
  const [text, setText] = useState("");
  // Rows keep their places while they are switched: the order is that of the first look.
  const [first] = useState(inside);
  if (!all) return <Bones rows={4} />;
  if (all.length === 0) return none;
  const found = all.filter((each) => `${each.title} ${each.hint}`.toLowerCase().includes(text.toLowerCase()));
  const ordered = [...found.filter((each) => first.has(each.id)), ...found.filter((each) => !first.has(each.id))];
  return (
    <>
      {all.length > 6 && (
        <div className="border-b border-line p-3">
          <SearchBox label={search} className="sm:w-72" value={text} onChange={(event) => setText(event.target.value)} />
        </div>
      )}
      <ul className="divide-y divide-line" aria-label={`Choose ${what}`}>
        {ordered.map((each) => (
          <li key={each.id} className="px-5 py-3">
            <Switch label={each.title} hint={each.hint === each.title ? "" : each.hint} checked={busy === each.id ? !inside.has(each.id) : inside.has(each.id)} disabled={busy !== null} onChange={(on) => onChange(each.id, on)} />
          </li>
        ))}
      </ul>
      {ordered.length === 0 && <p className="px-5 py-8 text-center text-quiet">Nothing is called “{text}”.</p>}
    </>
  );
}
