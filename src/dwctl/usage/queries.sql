-- name: book
-- One entry that is no charge, and its balance; no row when the source is booked already. $1 id, $2 kind, $3 account,
-- $4 signed amount, $5 source, $6 description, $7 who booked it.
with booked as (
    insert into ledger_entries (id, kind, account_id, amount, source_id, description, actor_id)
    values ($1, $2, $3, $4, $5, $6, $7)
    on conflict (source_id) where source_id is not null do nothing
    returning account_id, amount, created_at
),
paid as (
    insert into accounts as kept (id, balance)
    select account_id, amount from booked
    on conflict (id) do update set
        balance = kept.balance + excluded.balance,
        low_since = case
            when kept.balance + excluded.balance < kept.low_balance_threshold then coalesce(kept.low_since, now())
        end,
        updated_at = now()
    returning 1
)
select created_at from booked, (select count(*) from paid) as done;

-- name: balances
select id, balance, low_balance_threshold, low_since from accounts where id = any ($1::uuid[]);

-- name: set_threshold
-- The flag begins anew: who moves the threshold is told again.
insert into accounts as kept (id, low_balance_threshold, low_since)
values ($1, $2, case when 0 < $2::numeric then now() end)
on conflict (id) do update set
    low_balance_threshold = excluded.low_balance_threshold,
    low_since = case when kept.balance < excluded.low_balance_threshold then now() end,
    updated_at = now()
where kept.low_balance_threshold is distinct from excluded.low_balance_threshold;
