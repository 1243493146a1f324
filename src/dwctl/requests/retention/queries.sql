-- name: old_days
-- Days that ended $1 days ago or earlier, the oldest first: those of which `requests` has rows, and what else has.
select
    d.day,
    bool_or(i.inhparent = 'requests'::regclass) as rows,
    coalesce(array_agg(i.inhparent::regclass::text) filter (where i.inhparent <> 'requests'::regclass), '{}') as others
from pg_inherits i
join pg_class c on c.oid = i.inhrelid
cross join lateral (select to_date(right(c.relname, 8), 'YYYYMMDD') as day) d
where i.inhparent in (
        'requests'::regclass, 'request_bodies'::regclass, 'contents'::regclass, 'response_events'::regclass
    )
    and c.relname ~ '_[0-9]{8}$'
    and d.day + 1 + $1::integer <= (now() at time zone 'UTC')::date
group by d.day
order by d.day;

-- name: needed
-- Looked at without a lock, so that a day that is kept disturbs nobody.
select request_day_is_needed($1::date);

-- name: drop_rows
select drop_request_day($1::date);

-- name: drop_bodies
select drop_bodies_of_day($1, $2::date);

-- name: clear_attempts
-- Of requests before the oldest day that there is and that are gone, at most $1.
delete from attempts
where (request_id, attempt) in (
    select a.request_id, a.attempt
    from attempts a
    where a.request_id < (
            select uuidv7_floor(min(to_date(right(c.relname, 8), 'YYYYMMDD'))::timestamp at time zone 'UTC')
            from pg_inherits i
            join pg_class c on c.oid = i.inhrelid
            where i.inhparent = 'requests'::regclass and c.relname ~ '^requests_[0-9]{8}$'
        )
        and not exists (select from requests r where r.id = a.request_id)
    limit $1
);
