/** Ctrl K: go anywhere, find a model, do the common things, without the mouse. */
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useRouter } from "@tanstack/react-router";
import { Dialog as RadixDialog } from "radix-ui";
import { useEffect, useId, useState } from "react";
import { listModels } from "@/api/queries";
import { can } from "@/session/permissions";
import { useMe } from "@/session/session";
import { cx } from "@/ui/classes";
import { Icon, type IconName } from "@/ui/icon";
import { ADMINISTRATION, PLACES } from "./navigation";
import { setTheme } from "./theme";

interface Entry {
  id: string;
  label: string;
  hint: string;
  icon: IconName;
  words?: string | undefined;
  run: () => void;
}

export function Palette({ open, onClose }: { open: boolean; onClose: () => void }) {
  return (
    <RadixDialog.Root open={open} onOpenChange={(next) => !next && onClose()}>
      <RadixDialog.Portal>
        <RadixDialog.Overlay className="fixed inset-0 z-40 animate-fade bg-black/40" />
        <RadixDialog.Content
          aria-describedby={undefined}
          className="fixed inset-x-3 top-[10vh] z-50 mx-auto max-w-[36rem] overflow-hidden rounded-xl border border-line bg-surface shadow-float outline-none animate-rise"
        >
          <RadixDialog.Title className="sr-only">Search and commands</RadixDialog.Title>
          <Finder onClose={onClose} />
        </RadixDialog.Content>
      </RadixDialog.Portal>
    </RadixDialog.Root>
  );
}

function Finder({ onClose }: { onClose: () => void }) {
  const [text, setText] = useState("");
  const [at, setAt] = useState(0);
  const id = useId();
  const entries = useEntries(text);
  const chosen = entries[Math.min(at, entries.length - 1)];
  useEffect(() => {
    if (chosen) document.getElementById(`${id}-${chosen.id}`)?.scrollIntoView({ block: "nearest" });
  }, [chosen, id]);
  const run = (entry: Entry | undefined) => {
    if (!entry) return;
    onClose();
    entry.run();
  };
  const move = (step: number) => setAt((now) => (Math.min(now, entries.length - 1) + step + entries.length) % Math.max(1, entries.length));
  return (
    <>
      <div className="flex items-center gap-3 border-b border-line px-4">
        <Icon name="search" className="text-faint" />
        <input
          role="combobox"
          aria-expanded="true"
          aria-controls={`${id}-list`}
          aria-activedescendant={chosen ? `${id}-${chosen.id}` : undefined}
          aria-label="Search pages, models and commands"
          placeholder="Search pages, models and commands"
          autoComplete="off"
          spellCheck={false}
          value={text}
          onChange={(event) => {
            setText(event.target.value);
            setAt(0);
          }}
          onKeyDown={(event) => {
            if (event.key === "ArrowDown") move(1);
            else if (event.key === "ArrowUp") move(-1);
            else if (event.key === "Enter") run(chosen);
            else return;
            event.preventDefault();
          }}
          className="h-13 w-full bg-transparent text-[1.05rem] outline-none max-md:text-[16px]"
        />
      </div>
      <ul id={`${id}-list`} role="listbox" aria-label="Results" className="max-h-[min(26rem,55vh)] overflow-y-auto p-2">
        {entries.map((entry) => (
          <li
            key={entry.id}
            id={`${id}-${entry.id}`}
            role="option"
            aria-selected={entry === chosen}
            onClick={() => run(entry)}
            onPointerMove={() => setAt(entries.indexOf(entry))}
            className={cx("flex h-10 cursor-pointer items-center gap-3 rounded-lg px-2.5", entry === chosen && "bg-hover")}
          >
            <Icon name={entry.icon} className="text-quiet" />
            <span className="truncate">{entry.label}</span>
            <span className="ml-auto text-[0.9rem] whitespace-nowrap text-quiet">{entry.hint}</span>
          </li>
        ))}
      </ul>
      {entries.length === 0 && <p className="px-5 pb-6 text-center text-quiet">Nothing is called “{text}”.</p>}
    </>
  );
}

function useEntries(text: string): Entry[] {
  const me = useMe();
  const router = useRouter();
  const wanted = text.trim().toLowerCase();
  const { data } = useQuery({
    queryKey: ["models", "palette", wanted],
    queryFn: ({ signal }) => listModels({ search: wanted, limit: 6 }, signal),
    enabled: wanted.length > 0,
    placeholderData: keepPreviousData,
  });
  const places = [...PLACES, ...ADMINISTRATION].filter((place) => !place.needs || can(me, place.needs));
  const entries: Entry[] = [
    ...places.map((place) => ({
      id: place.to.replace(/\W/g, "") || "start",
      label: place.label,
      hint: "Page",
      icon: place.icon,
      words: place.words,
      run: () => void router.navigate({ to: place.to }),
    })),
    { id: "account", label: "Account", hint: "Page", icon: "user", words: "password profile", run: () => void router.navigate({ to: "/account" }) },
    { id: "new-key", label: "Create an API key", hint: "Command", icon: "plus", run: () => void router.navigate({ to: "/keys", search: { create: true } }) },
    { id: "light", label: "Light theme", hint: "Command", icon: "sun", run: () => setTheme("light") },
    { id: "dark", label: "Dark theme", hint: "Command", icon: "moon", run: () => setTheme("dark") },
  ];
  if (can(me, "endpoints.manage")) {
    entries.push({ id: "new-endpoint", label: "Add an endpoint", hint: "Command", icon: "plus", run: () => void router.navigate({ to: "/endpoints", search: { create: true } }) });
  }
  const found = entries.filter((entry) => `${entry.label} ${entry.words ?? ""}`.toLowerCase().includes(wanted));
  const models = wanted ? (data?.data ?? []) : [];
  return [
    ...found,
    ...models.map((model): Entry => ({
      id: `model-${model.id}`,
      label: model.alias,
      hint: "Model",
      icon: model.is_composite ? "pool" : "models",
      run: () => void router.navigate({ to: "/models/$modelId", params: { modelId: model.id } }),
    })),
  ];
}
