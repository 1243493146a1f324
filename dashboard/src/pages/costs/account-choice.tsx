/** Whose balance and transactions are shown: one's own, somebody's, or everyone's. */
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { usersQuery } from "@/api/queries";
import type { User } from "@/api/types";
import { useMe } from "@/session/session";
import { Amount } from "@/ui/amount";
import { Button } from "@/ui/button";
import { Dialog } from "@/ui/dialog";
import { SearchBox } from "@/ui/field";
import { Bones, Failed } from "@/ui/state";

export const EVERYONES = "everyone";

/** `onChoose` gets an account's id, `everyone`, or nothing for one's own. */
export function AccountChoice({ label, onChoose }: { label: string; onChoose: (user: string | undefined) => void }) {
  const [open, setOpen] = useState(false);
  const choose = (user: string | undefined) => {
    setOpen(false);
    onChoose(user);
  };
  return (
    <>
      <Button icon="users" className="min-w-0 shrink" onClick={() => setOpen(true)}>
        <span className="sr-only">Account: </span>
        <span className="truncate">{label}</span>
      </Button>
      <Dialog open={open} onClose={() => setOpen(false)} title="Choose an account">
        <Choices onChoose={choose} />
      </Dialog>
    </>
  );
}

function Choices({ onChoose }: { onChoose: (user: string | undefined) => void }) {
  const me = useMe();
  const [text, setText] = useState("");
  const users = useQuery({ ...usersQuery({ search: text || undefined, limit: 25 }), placeholderData: keepPreviousData });
  const others = users.data?.data.filter((user) => user.id !== me.id) ?? [];
  return (
    <>
      <SearchBox label="Search accounts" className="mb-3" value={text} onSearch={setText} />
      <ul className="-mx-2" aria-label="Accounts">
        {text === "" && (
          <>
            <Choice title="My account" hint={me.email} onChoose={() => onChoose(undefined)} />
            <Choice title="Everyone" hint="All accounts together" onChoose={() => onChoose(EVERYONES)} />
          </>
        )}
        {others.map((user) => (
          <Choice key={user.id} title={nameOf(user)} hint={user.email} balance={user.exact_credit_balance} onChoose={() => onChoose(user.id)} />
        ))}
      </ul>
      {users.isError ? (
        <Failed error={users.error} retry={() => void users.refetch()} />
      ) : !users.data ? (
        <Bones rows={3} />
      ) : (
        <>
          {text !== "" && others.length === 0 && <p className="py-6 text-center text-quiet">No other account is called “{text}”.</p>}
          {users.data.total_count > users.data.data.length && <p className="mt-2 text-quiet">There are more. Search for them.</p>}
        </>
      )}
    </>
  );
}

function Choice({ title, hint, balance, onChoose }: { title: string; hint: string; balance?: string | undefined; onChoose: () => void }) {
  return (
    <li>
      <button type="button" onClick={onChoose} className="flex w-full items-center justify-between gap-3 rounded-lg px-2 py-2 text-left hover:bg-hover">
        <span className="min-w-0">
          <span className="block truncate font-medium">{title}</span>
          {hint !== title && <span className="block truncate text-[0.9rem] text-quiet">{hint}</span>}
        </span>
        {balance !== undefined && <Amount of={balance} className="text-quiet" />}
      </button>
    </li>
  );
}

export function nameOf(user: Pick<User, "display_name" | "email">): string {
  return user.display_name ?? user.email;
}
