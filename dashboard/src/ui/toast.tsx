/** Short messages that come and go; a screen reader hears them too. */
import { useSyncExternalStore } from "react";
import { IconButton } from "./button";
import { cx } from "./classes";
import { Icon } from "./icon";
import { messageOf } from "./state";

interface Toast {
  id: number;
  tone: "good" | "bad";
  text: string;
}

let toasts: readonly Toast[] = [];
let last = 0;
const listeners = new Set<() => void>();

function set(next: readonly Toast[]) {
  toasts = next;
  for (const listener of listeners) listener();
}

function subscribe(listener: () => void) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function show(tone: Toast["tone"], text: string) {
  last += 1;
  const id = last;
  set([...toasts.slice(-2), { id, tone, text }]);
  // What went wrong stays longer: it has to be read.
  setTimeout(() => dismiss(id), tone === "bad" ? 9000 : 4000);
}

function dismiss(id: number) {
  set(toasts.filter((toast) => toast.id !== id));
}

export const toast = {
  done: (text: string) => show("good", text),
  failed: (error: unknown) => show("bad", messageOf(error)),
};

export function Toasts() {
  const shown = useSyncExternalStore(subscribe, () => toasts);
  return (
    <div role="status" aria-live="polite" className="pointer-events-none fixed inset-x-4 bottom-4 z-[60] flex flex-col items-end gap-2 sm:left-auto sm:w-88">
      {shown.map(({ id, tone, text }) => (
        <div key={id} className="pointer-events-auto flex w-full items-start gap-3 rounded-xl border border-line bg-surface py-2.5 pr-2 pl-3.5 shadow-float animate-rise">
          <Icon name={tone === "good" ? "check" : "warning"} className={cx("mt-1.5 md:mt-1", tone === "good" ? "text-good" : "text-bad")} />
          <p className="min-w-0 flex-1 py-1 [overflow-wrap:anywhere] md:py-0.5">{text}</p>
          <IconButton icon="close" label="Dismiss" className="-my-1 md:my-0 md:size-7" onClick={() => dismiss(id)} />
        </div>
      ))}
    </div>
  );
}
