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

-- name: clear_tool_calls
-- The same of calls of tools.
delete from tool_calls
where (request_id, attempt, number) in (
    select t.request_id, t.attempt, t.number
    from tool_calls t
    where t.request_id < (
            select uuidv7_floor(min(to_date(right(c.relname, 8), 'YYYYMMDD'))::timestamp at time zone 'UTC')
            from pg_inherits i
            join pg_class c on c.oid = i.inhrelid
            where i.inhparent = 'requests'::regclass and c.relname ~ '^requests_[0-9]{8}$'
        )
        and not exists (select from requests r where r.id = t.request_id)
    limit $1
);

-- name: old_outputs
-- Output and error files without an end of their own, of batches that ended $1 days ago or earlier; at most $2, held.
select f.id
from files f
join lateral (
    select coalesce(b.completed_at, b.failed_at, b.cancelled_at) as ended_at from batches b where b.id = f.batch_id offset 0
) b on true
where f.status = 'processed' and f.expires_at is null and f.purpose in ('batch_output', 'batch_error')
    and f.created_at < now() - make_interval(days => $1)
    and b.ended_at < now() - make_interval(days => $1)
order by f.created_at
limit $2
for update of f skip locked;

-- name: expire_outputs
-- From now on nobody sees them.
update files set expires_at = now() where id = any ($1::uuid[]);

-- name: old_foreign
-- Calls whose ids lie in no day, $1 days after the day on which they were made; at most $2, held. One that is queued or run
-- stays, and so does one of a batch that goes on or has an output that can be read.
select r.id
from requests_default r
where r.state >= 3
    and r.created_at < (date_trunc('day', now() at time zone 'UTC') - make_interval(days => $1)) at time zone 'UTC'
    and not exists (select from queue q where q.id = r.id)
    and not exists (
        select from batches b
        where b.id = r.batch_id and b.deleted_at is null
            and (
                (b.completed_at is null and b.failed_at is null and b.cancelled_at is null)
                or exists (
                    select from files f
                    where f.id in (b.output_file_id, b.error_file_id) and f.status = 'processed'
                        and (f.expires_at is null or f.expires_at > now())
                )
            )
    )
order by r.created_at
limit $2
for update skip locked;

-- name: clear_foreign_bodies
delete from request_bodies_default where id = any ($1::uuid[]);

-- name: clear_foreign_contents
delete from contents_default where id = any ($1::uuid[]);

-- name: clear_foreign_events
delete from response_events_default where id = any ($1::uuid[]);

-- name: clear_foreign_attempts
delete from attempts where request_id = any ($1::uuid[]);

-- name: clear_foreign_tool_calls
delete from tool_calls where request_id = any ($1::uuid[]);

-- name: clear_foreign
-- Last, so that whoever waits for a row finds all of it or nothing.
delete from requests_default where id = any ($1::uuid[]);
