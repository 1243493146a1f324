-- name: share_fence
-- Events of calls that $1 holds are about to be written: nobody takes its calls away before this transaction ends.
-- A statement of its own, so that the next one sees what has been taken by now.
select pg_advisory_xact_lock_shared(hashtextextended('response_events/' || $1::uuid::text, 0));

-- name: close_fence
-- Calls that $1 holds are about to be taken away: whoever writes events of them has ended, or begins afterwards.
select pg_advisory_xact_lock(hashtextextended('response_events/' || $1::uuid::text, 0));

-- name: append_events
-- Pieces of the event logs of calls that $1 holds in those attempts; gives the ids of those calls. A piece that is there
-- already is the same one, of a commit that was not heard of.
with incoming as (
    select *
    from unnest($2::uuid[], $3::smallint[], $4::integer[], $5::integer[], $6::bytea[])
        as i (id, attempt, first, last, events)
),
held as materialized (
    select i.*
    from (select * from incoming order by id, last) i
    cross join lateral (
        select from queue q where q.id = i.id and q.attempt = i.attempt and q.holder = $1::uuid
    ) q
),
made as (
    insert into response_events (id, attempt, first, last, events)
    select id, attempt, first, last, events from held
    on conflict do nothing
)
select distinct id from held;

-- name: tell
-- There is more in the logs that the payloads name.
select pg_notify($1, p) from unnest($2::text[]) p;

-- name: read_events
-- Where each of the calls $1 stands, with the next pieces of its log behind the number $2, at most $3. A call without a
-- state is not there.
select w.n, r.state, e.first, e.last, e.events
from unnest($1::uuid[], $2::integer[]) with ordinality as w (id, after, n)
left join lateral (select q.state from requests q where q.id = w.id offset 0) r on true
left join lateral (
    select l.first, l.last, l.events
    from response_events l
    where l.id = w.id and l.last > w.after
    order by l.last
    limit $3
) e on true
order by w.n, e.last;

-- name: read_written
-- The next $3 pieces of one log behind the number $2, with the moments at which they were written.
-- row: dwctl.requests.events.store:Written
select last, events, written_at as at
from response_events
where id = $1 and last > $2
order by last
limit $3;

-- name: last_of
-- The number of the last event of a log; null when there is none.
select max(last) from response_events where id = $1;

-- name: break_off
-- Of what a dead process $1 held, at most $2 calls of which something has been shown: they end as failed, and whoever waits
-- for their end is told.
with shown as (
    select q.id
    from queue q
    where q.holder = $1 and q.line is null and exists (select from response_events e where e.id = q.id)
    order by q.id
    limit $2
    for update
),
gone as (delete from queue where id = any (array(select id from shown)) returning id),
ended as (select break_off_requests(array_agg(id)) from gone having count(*) > 0)
select id, pg_notify('dwctl_ended', id::text) as told, (select count(*) from ended) as ended from gone;

-- name: next_logs
-- The next $2 calls behind $1 that have a log, and whether it is needed: as long as the call and its content are there.
with recursive walk as (
    (select e.id, 1 as n from response_events e where e.id > $1 order by e.id limit 1)
    union all
    select (select e.id from response_events e where e.id > w.id order by e.id limit 1), w.n + 1
    from walk w
    where w.id is not null and w.n < $2
)
select
    w.id,
    exists (select from requests r where r.id = w.id) and exists (select from contents c where c.id = w.id) as needed
from walk w
where w.id is not null
order by w.id;

-- name: forget
delete from response_events where id = any ($1::uuid[]);
