import { useState, type ReactNode } from "react";
import { count } from "@/text/format";
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
  /** How many there are on the server; it gives a part of many, and finds the others by their name. */
  total: number;
  text: string;
  onText: (text: string) => void;
  inside: ReadonlySet<string>;
  /** The one that is being changed. */
  busy: string | null;
  onChange: (id: string, on: boolean) => void;
  /** What is shown when there is nothing to choose from. */
  none: ReactNode;
}

/** Everything that could be in a group, those inside first, each with a switch. */
export function Membership({ what, search, all, total, text, onText, inside, busy, onChange, none }: Props) {
  // Rows keep their places while they are switched: the order is that of the first look.
  const [first] = useState(inside);
  if (!all) return <Bones rows={4} />;
  if (all.length === 0 && text === "") return none;
  const ordered = [...all.filter((each) => first.has(each.id)), ...all.filter((each) => !first.has(each.id))];
  return (
    <>
      {(all.length > 6 || text !== "") && (
        <div className="border-b border-line p-3">
          <SearchBox label={search} className="sm:w-72" value={text} onSearch={(wanted) => onText(wanted)} />
        </div>
      )}
      <ul className="divide-y divide-line" aria-label={`Choose ${what}`}>
        {ordered.map((each) => (
          <li key={each.id} className="px-5 py-3">
            <Switch label={each.title} hint={each.hint === each.title ? "" : each.hint} checked={busy === each.id ? !inside.has(each.id) : inside.has(each.id)} disabled={busy !== null} onChange={(on) => onChange(each.id, on)} />
          </li>
        ))}
      </ul>
      {total > all.length && (
        <p className="border-t border-line px-5 py-3 text-quiet">
          {count(all.length)} of {count(total)} are shown. Search for the others.
        </p>
      )}
      {ordered.length === 0 && <p className="px-5 py-8 text-center text-quiet">Nothing is called “{text}”.</p>}
    </>
  );
}
