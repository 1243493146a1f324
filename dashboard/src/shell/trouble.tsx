/** When a page breaks, and when there is none: said inside the shell where it stands, else on a page of its own. */
import { Link, useRouter, type ErrorComponentProps } from "@tanstack/react-router";
import { Button } from "@/ui/button";
import { Empty, messageOf } from "@/ui/state";

export function PageBroke({ error, reset }: ErrorComponentProps) {
  const router = useRouter();
  const again = () => {
    // A new version of the dashboard was installed while this page was open: its old files are gone.
    if (/dynamically imported module|Importing a module/.test(messageOf(error))) location.reload();
    reset();
    void router.invalidate();
  };
  return (
    <Empty icon="warning" title="This page broke" action={<Button icon="sync" onClick={again}>Try again</Button>}>
      <span className="[overflow-wrap:anywhere]">{messageOf(error)}</span>
    </Empty>
  );
}

export function NoSuchPage() {
  return (
    <Empty icon="search" title="There is no page here" action={<Button asChild><Link to="/">Go to the start</Link></Button>}>
      The address may be mistyped, or what it showed is gone.
    </Empty>
  );
}
