-- name: lock_accounts
-- One decision at a time for each of these accounts; all callers lock in the same order.
select pg_advisory_xact_lock(k)
from (select distinct hashtextextended(a::text, 14) as k from unnest($1::uuid[]) as a order by 1) as locks;

-- name: get_standing
-- Balances and leases of accounts. A balance beyond 10^12 counts as that: more is never lent, and sums stay exact.
select
    a.id as account_id, least(greatest(coalesce(b.balance, 0), -1e12), 1e12)::numeric as balance,
    extract(epoch from clock_timestamp())::float8 as now, l.holder, l.outstanding, l.serial, l.bare, l.recalled,
    extract(epoch from l.expires_at)::float8 as expires_at
from unnest($1::uuid[]) as a (id)
left join accounts b on b.id = a.id
left join credit_leases l on l.account_id = a.id;

-- name: put_leases
-- What this process ($1, of installation $2) holds from now on.
insert into credit_leases as kept (account_id, holder, installation_id, outstanding, serial, bare, recalled, expires_at)
select t.account_id, $1, $2, t.outstanding, t.serial, t.bare, t.recalled, to_timestamp(t.expires_at)
from unnest($3::uuid[], $4::numeric[], $5::bigint[], $6::boolean[], $7::boolean[], $8::float8[])
    as t (account_id, outstanding, serial, bare, recalled, expires_at)
on conflict (account_id, holder) do update set
    outstanding = excluded.outstanding,
    serial = excluded.serial,
    bare = excluded.bare,
    recalled = excluded.recalled,
    expires_at = excluded.expires_at;

-- name: recall_leases
-- Somebody lacks what these keep; their holders are told. Not an upsert: a lease may have been ended meanwhile.
with recalled as (
    update credit_leases l set recalled = true
    from unnest($1::uuid[], $2::uuid[]) as t (account_id, holder)
    where l.account_id = t.account_id and l.holder = t.holder
)
select pg_notify('credit', a::text) from (select distinct unnest($1::uuid[]) as a) as accounts;

-- name: drop_leases
-- Leases that were abandoned.
delete from credit_leases l
using unnest($1::uuid[], $2::uuid[]) as t (account_id, holder)
where l.account_id = t.account_id and l.holder = t.holder;

-- name: purge_leases
-- Those that have ended and cover nothing.
delete from credit_leases where outstanding = 0 and expires_at < now();
