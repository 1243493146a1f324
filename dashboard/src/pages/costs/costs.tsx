/** The balance of an account, and every transaction that made it. */
import { useQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { organizationQuery, transactionsQuery, userQuery } from "@/api/queries";
import type { CostSearch } from "@/router";
import { useActing, useCan, useMe } from "@/session/session";
import { Amount } from "@/ui/amount";
import { Card, Page } from "@/ui/layout";
import { Bones, Failed, NoPermission } from "@/ui/state";
import { useTitle } from "@/ui/title";
import { AccountChoice, EVERYONES, nameOf } from "./account-choice";
import { BalanceCard } from "./balance-card";
import { Ledger } from "./ledger";

const route = getRouteApi("/shell/cost-management");

export function CostsPage() {
  useTitle("Cost management");
  const me = useMe();
  const acting = useActing();
  const seesAll = useCan("credits.manage");
  const { user } = route.useSearch();
  const closed = user === undefined ? !acting.leads : user !== me.id;
  return closed && !seesAll ? <NoPermission /> : <Open account={user === EVERYONES ? null : (user ?? acting.id)} />;
}

function Open({ account }: { account: string | null }) {
  const me = useMe();
  const { organization } = useActing();
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const seesAll = useCan("credits.manage");
  const acted = organization !== null && account === organization.id;
  const person = useQuery({ ...userQuery(account ?? ""), enabled: account !== null && !acted });
  const shared = useQuery({ ...organizationQuery(organization?.id ?? ""), enabled: acted });
  const user = acted ? shared : person;
  const narrow = (change: Partial<CostSearch>) => void navigate({ search: (now) => ({ ...now, page: undefined, ...change }), replace: true });
  const label = account === null ? "Everyone" : acted ? organization.name : account === me.id ? "My account" : user.data ? nameOf(user.data) : "…";
  return (
    <Page
      title="Cost management"
      description={seesAll ? "Balances, and the transactions that made them." : `${acted ? `${organization.name}'s` : "Your"} balance, and the transactions that made it.`}
      actions={seesAll && <AccountChoice label={label} onChoose={(wanted) => void navigate({ search: { user: wanted } })} />}
    >
      {account === null ? (
        <Together />
      ) : user.data ? (
        <BalanceCard key={account} user={user.data} />
      ) : (
        <Card>{user.isError ? <Failed error={user.error} retry={() => void user.refetch()} /> : <Bones rows={2} />}</Card>
      )}
      {!user.isError && <Ledger account={account} search={search} narrow={narrow} />}
    </Page>
  );
}

/** All accounts as one. */
function Together() {
  const newest = useQuery(transactionsQuery({ all: true, limit: 1 }));
  return (
    <Card>
      {newest.data ? (
        <div className="p-5">
          <h2 className="text-quiet">Balance of all accounts together</h2>
          <p className="text-[1.9rem] leading-11 font-semibold tracking-[-0.015em] [overflow-wrap:anywhere]">
            <Amount of={newest.data.page_start_balance} /> <span className="text-base font-normal tracking-normal text-quiet">credits</span>
          </p>
          <p className="text-quiet">Choose an account to add or remove credits.</p>
        </div>
      ) : newest.isError ? (
        <Failed error={newest.error} retry={() => void newest.refetch()} />
      ) : (
        <Bones rows={2} />
      )}
    </Card>
  );
}
