/** The transactions of an account or of everyone, narrowed and page by page. */
import { useQuery } from "@tanstack/react-query";
import { transactionsQuery } from "@/api/queries";
import { KINDS, type CostSearch } from "@/router";
import { Button } from "@/ui/button";
import { DateFilter, Filter, SearchBox } from "@/ui/field";
import { Card } from "@/ui/layout";
import { Bones, Empty, Failed } from "@/ui/state";
import { Pager } from "@/ui/table";
import { KIND_LABELS, moments } from "./entries";
import { EntryTable } from "./entry-table";

const SIZE = 25;
const KIND_OPTIONS = [{ value: "", label: "Every type" }, ...KINDS.map((kind) => ({ value: kind, label: KIND_LABELS[kind] }))];

interface Props {
  /** An account's id; null for everyone's. */
  account: string | null;
  search: CostSearch;
  narrow: (change: Partial<CostSearch>) => void;
}

export function Ledger({ account, search, narrow }: Props) {
  const { q, type, from, to, page = 1 } = search;
  const entries = useQuery({
    ...transactionsQuery({
      ...(account === null ? { all: true } : { user_id: account }),
      search: q ?? null,
      transaction_types: type ?? null,
      ...moments(from, to),
      skip: (page - 1) * SIZE,
      limit: SIZE,
    }),
    // The rows of one account never stand under the name of another.
    placeholderData: (before, query) => (query?.queryKey[1] === (account ?? "everyone") ? before : undefined),
  });
  const narrowed = Boolean(q ?? type ?? from ?? to);
  const gaps = Boolean(q ?? type) || account === null;
  const rows = entries.data?.data;
  return (
    <>
      <div className="my-4 grid grid-cols-2 gap-2 sm:flex sm:flex-wrap">
        <SearchBox label="Search transactions" className="col-span-2 sm:w-56 xl:w-64" value={q ?? ""} onSearch={(wanted) => narrow({ q: wanted || undefined })} />
        <Filter label="Type" className="col-span-2 sm:w-40" options={KIND_OPTIONS} value={type ?? ""} onChange={(event) => narrow({ type: (event.target.value || undefined) as typeof type })} />
        <DateFilter label="From" value={from ?? ""} max={to} onChange={(day) => narrow({ from: day || undefined })} />
        <DateFilter label="To" value={to ?? ""} min={from} onChange={(day) => narrow({ to: day || undefined })} />
      </div>
      <Card className="overflow-hidden">
        {entries.data && rows ? (
          rows.length > 0 ? (
            <>
              <EntryTable entries={rows} start={gaps ? null : entries.data.page_start_balance} everyones={account === null} />
              <Pager page={page} size={SIZE} total={entries.data.total_count} onPage={(next) => narrow({ page: next > 1 ? next : undefined })} />
            </>
          ) : narrowed || page > 1 ? (
            <Empty icon="search" title="No transactions here" action={<Button onClick={() => narrow({ q: undefined, type: undefined, from: undefined, to: undefined })}>Show all of them</Button>}>
              {narrowed ? "No transaction fits these filters." : "There are fewer of them than pages."}
            </Empty>
          ) : (
            <Empty icon="credits" title="No transactions yet">
              Each call of a model with a price is booked here, and so are credits that an administrator adds or removes.
            </Empty>
          )
        ) : entries.isError ? (
          <Failed error={entries.error} retry={() => void entries.refetch()} />
        ) : (
          <Bones />
        )}
      </Card>
    </>
  );
}
