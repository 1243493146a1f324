/** Light, dark, or as the system has it; kept in this browser. `public/theme.js` reads it before the first paint. */
import { useSyncExternalStore } from "react";

export type Theme = "light" | "dark" | "system";
export const THEMES: readonly Theme[] = ["light", "dark", "system"];

const KEY = "dwctl.theme";
const dark = matchMedia("(prefers-color-scheme: dark)");
const listeners = new Set<() => void>();

function chosen(): Theme {
  const kept = localStorage.getItem(KEY);
  return kept === "light" || kept === "dark" ? kept : "system";
}

function apply() {
  const theme = chosen();
  document.documentElement.dataset["theme"] = theme === "dark" || (theme === "system" && dark.matches) ? "dark" : "light";
  for (const listener of listeners) listener();
}

dark.addEventListener("change", apply);

export function setTheme(theme: Theme): void {
  if (theme === "system") localStorage.removeItem(KEY);
  else localStorage.setItem(KEY, theme);
  apply();
}

export function useTheme(): Theme {
  return useSyncExternalStore((listener) => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  }, chosen);
}
