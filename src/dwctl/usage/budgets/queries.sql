-- name: lock_counting
-- One at a time begins to count what an account spends.
select pg_advisory_xact_lock(hashtextextended($1::uuid::text, 17));

-- name: is_counted
select exists (select from accounts where id = $1 and counted);

-- name: settled_until
-- Every entry that was booked before this moment is committed: nothing that runs began earlier.
select least(
    now() - interval '1 minute',
    (
        select min(xact_start) from pg_stat_activity
        where datname = current_database() and pid <> pg_backend_pid()
    )
);

-- name: count_history
-- What account $1 and its keys were charged by entries that were booked from $2 on and before $3; null for ever.
insert into budget_spend as kept (scope, id, day, spent)
select c.scope, c.id, c.day, -sum(e.amount)
from (
    -- Lines of batches and everything else lie in indexes of their own.
    select * from ledger_entries
    where batch_id is null and account_id = $1 and kind = 'usage'
        and created_at >= coalesce($2::timestamptz, '-infinity') and created_at < coalesce($3::timestamptz, 'infinity')
    union all
    select * from ledger_entries
    where batch_id is not null and account_id = $1 and kind = 'usage'
        and created_at >= coalesce($2::timestamptz, '-infinity') and created_at < coalesce($3::timestamptz, 'infinity')
) e
cross join lateral (select coalesce(e.called_on, (e.created_at at time zone 'UTC')::date) as day) as d
cross join lateral (
    values
        ('account', e.account_id, d.day), ('account', e.account_id, '-infinity'),
        ('key', e.key_id, d.day), ('key', e.key_id, '-infinity')
) as c (scope, id, day)
where c.id is not null
group by 1, 2, 3
order by 1, 2, 3
on conflict (scope, id, day) do update set spent = kept.spent + excluded.spent;

-- name: begin_counting
-- From here until the end of the transaction nobody is charged on this account.
insert into accounts as kept (id, counted) values ($1, true)
on conflict (id) do update set counted = true, updated_at = now();

-- name: spent
-- What each of $2, all of scope $1, has spent on the days from $3 to $4.
select t.id, coalesce(sum(b.spent), 0) as spent
from unnest($2::uuid[], $3::text[], $4::text[]) as t (id, first, last)
left join budget_spend b on b.scope = $1 and b.id = t.id and b.day between t.first::date and t.last::date
group by t.id;
