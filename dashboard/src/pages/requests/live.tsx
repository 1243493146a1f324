import { Button } from "@/ui/button";
import { cx } from "@/ui/classes";

/** Whether a list is asked for again by itself; stops and starts that. */
export function LiveButton({ live, failing, onToggle }: { live: boolean; failing: boolean; onToggle: () => void }) {
  return (
    <Button onClick={onToggle} aria-pressed={live}>
      <span className={cx("size-2 rounded-full", failing ? "bg-bad" : live ? "animate-pulse bg-good" : "bg-faint")} />
      {failing ? "Not reached" : live ? "Live" : "Paused"}
    </Button>
  );
}
