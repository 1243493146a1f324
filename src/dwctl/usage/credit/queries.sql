-- name: lock_pockets
-- One decision at a time for each of these pockets; all callers lock in the same order.
select pg_advisory_xact_lock(k)
from (select distinct hashtextextended(p, 14) as k from unnest($1::text[]) as p order by 1) as locks;

-- name: get_standing
-- What is in pockets, and their leases: of an account its balance, of a budget ($2 scope) what is left of it on the days
-- from $4 to $5. What is beyond 10^12 counts as that: more is never lent, and sums stay exact. A budget that is not there
-- any more binds nobody.
select
    p.name as pocket, least(greatest(coalesce(
        case p.scope
            when 'key' then k.budget_amount - s.spent
            when 'account' then u.budget_amount - s.spent
            else coalesce(a.balance, 0)
        end, 1e12
    ), -1e12), 1e12)::numeric as balance,
    extract(epoch from clock_timestamp())::float8 as now, l.holder, l.outstanding, l.serial, l.bare, l.recalled,
    extract(epoch from l.expires_at)::float8 as expires_at
from unnest($1::text[], $2::text[], $3::uuid[], $4::text[], $5::text[]) as p (name, scope, id, first, last)
left join accounts a on a.id = p.id and p.scope is null
left join api_keys k on k.id = p.id and p.scope = 'key'
left join users u on u.id = p.id and p.scope = 'account'
left join lateral (
    select coalesce(sum(b.spent), 0) as spent from budget_spend b
    where b.scope = p.scope and b.id = p.id and b.day between p.first::date and p.last::date
) s on p.scope is not null
left join credit_leases l on l.pocket = p.name;

-- name: put_leases
-- What this process ($1, of installation $2) holds from now on.
insert into credit_leases as kept (pocket, holder, installation_id, outstanding, serial, bare, recalled, expires_at)
select t.pocket, $1, $2, t.outstanding, t.serial, t.bare, t.recalled, to_timestamp(t.expires_at)
from unnest($3::text[], $4::numeric[], $5::bigint[], $6::boolean[], $7::boolean[], $8::float8[])
    as t (pocket, outstanding, serial, bare, recalled, expires_at)
on conflict (pocket, holder) do update set
    outstanding = excluded.outstanding,
    serial = excluded.serial,
    bare = excluded.bare,
    recalled = excluded.recalled,
    expires_at = excluded.expires_at;

-- name: recall_leases
-- Somebody lacks what these keep; their holders are told. Not an upsert: a lease may have been ended meanwhile.
with recalled as (
    update credit_leases l set recalled = true
    from unnest($1::text[], $2::uuid[]) as t (pocket, holder)
    where l.pocket = t.pocket and l.holder = t.holder
)
select pg_notify('credit', p) from (select distinct unnest($1::text[]) as p) as pockets;

-- name: drop_leases
-- Leases that were abandoned.
delete from credit_leases l
using unnest($1::text[], $2::uuid[]) as t (pocket, holder)
where l.pocket = t.pocket and l.holder = t.holder;

-- name: purge_leases
-- Those that have ended and cover nothing.
delete from credit_leases where outstanding = 0 and expires_at < now();
