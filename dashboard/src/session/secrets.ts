/** The secret of the key that was made last, as long as this page is open: it is stored nowhere. */
import { useSyncExternalStore } from "react";

export interface Secret {
  name: string;
  secret: string;
}

let latest: Secret | null = null;
const listeners = new Set<() => void>();

export function keepSecret(secret: Secret | null): void {
  latest = secret;
  for (const listener of listeners) listener();
}

export function useSecret(): Secret | null {
  return useSyncExternalStore((listener) => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  }, () => latest);
}
