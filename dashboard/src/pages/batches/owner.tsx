/** What the pages of batches and files have in common: whose they are, and that there are none. */
import { useQuery } from "@tanstack/react-query";
import { userQuery } from "@/api/queries";
import { configQuery } from "@/api/work";
import { AccountChoice, EVERYONES, nameOf } from "@/pages/costs/account-choice";
import { useMe } from "@/session/session";
import { Card, Page } from "@/ui/layout";
import { Empty } from "@/ui/state";

/** Chooses an account; absent is everyone's. */
export function Owner({ by, onChoose }: { by: string | undefined; onChoose: (by: string | undefined) => void }) {
  const me = useMe();
  const user = useQuery({ ...userQuery(by ?? ""), enabled: by !== undefined && by !== me.id });
  const label = by === undefined ? "Everyone" : by === me.id ? "My account" : user.data ? nameOf(user.data) : "…";
  return <AccountChoice label={label} onChoose={(wanted) => onChoose(wanted === undefined ? me.id : wanted === EVERYONES ? undefined : wanted)} />;
}

/** What this server allows; null when it has no batches, undefined until that is known. */
export function useAllowed() {
  const { data } = useQuery(configQuery);
  return data === undefined ? undefined : (data.batches ?? null);
}

export function SwitchedOff({ title }: { title: "Batches" | "Files" }) {
  return (
    <Page title={title}>
      <Card>
        <Empty icon={title === "Files" ? "files" : "batches"} title={`${title} are switched off`}>
          The setting <code className="font-mono text-[0.92rem]">batches.enabled</code> of the server says so.
        </Empty>
      </Card>
    </Page>
  );
}
