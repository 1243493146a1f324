import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { transactionsQuery } from "@/api/queries";
import type { User } from "@/api/types";
import { count } from "@/text/format";
import { Card } from "@/ui/layout";
import { Bones, Empty, Failed } from "@/ui/state";
import { BalanceCard } from "./balance-card";
import { EntryTable } from "./entry-table";

const LATEST = 10;

/** An account's balance and its latest transactions, on its own page. */
export function CreditsTab({ user }: { user: User }) {
  const entries = useQuery(transactionsQuery({ user_id: user.id, limit: LATEST }));
  const page = entries.data;
  const all = page && page.total_count > LATEST && (
    <Link to="/cost-management" search={{ user: user.id }} className="rounded text-accent hover:underline">
      All {count(page.total_count)}
    </Link>
  );
  return (
    <>
      <BalanceCard user={user} />
      <Card title="Latest transactions" action={all} className="mt-5 overflow-hidden">
        {entries.isError ? (
          <Failed error={entries.error} retry={() => void entries.refetch()} />
        ) : !page ? (
          <Bones rows={3} />
        ) : page.data.length > 0 ? (
          <EntryTable entries={page.data} start={page.page_start_balance} everyones={false} />
        ) : (
          <Empty icon="credits" title="No transactions yet">Nothing was added to this account, and nothing charged.</Empty>
        )}
      </Card>
    </>
  );
}
