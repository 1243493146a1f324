-- name: lock_queued
-- A queued call, which nobody moves from here on to the end of the transaction. Not a line of a batch: those are counted.
select holder is not null as held from queue where id = $1 and line is null for update;

-- name: take_out
-- One that nobody runs ends here.
with gone as (delete from queue where id = $1)
select cancel_calls(array[$1::uuid]);

-- name: mark
-- One that somebody runs is to end: whoever holds it looks.
update queue set ending = greatest(coalesce(ending, 0), $2::smallint) where id = $1
returning pg_notify('dwctl_queue', '');

-- name: cancel_marked
-- What is to end and is held by nobody, for its process died or its attempt failed meanwhile; at most $1.
with gone as (
    delete from queue
    where id = any (array(
        select id from queue where ending is not null and holder is null order by id limit $1 for update skip locked
    ))
    returning id
)
select cancel_calls(array_agg(id)), count(*) as ended from gone having count(*) > 0;

-- name: any_marked
-- Whether something is to end and has not.
select exists (select from queue where ending is not null);

-- name: forget_response
-- The row stays without its response; nothing for one that has none.
update requests set stored = false where id = $1 and stored returning id;

-- name: forget_bodies
-- A statement of its own after forget_response: it sees what was written by whoever held the row before.
with logged as (delete from request_bodies where id = $1),
content as (delete from contents where id = $1)
delete from response_keys where request_id = $1;

-- name: use_keys
-- Take keys of accounts for new calls, in their order so that no two of these wait for each other. Gives those that were
-- free: never used, or older than $5 seconds. The others stay as they are.
insert into response_keys as kept (owner_id, key, digest, request_id)
select * from unnest($1::uuid[], $2::text[], $3::bytea[], $4::uuid[]) as i (owner_id, key, digest, request_id)
order by owner_id, key
on conflict (owner_id, key) do update set
    digest = excluded.digest, request_id = excluded.request_id, created_at = now()
where kept.created_at < now() - make_interval(secs => $5)
returning request_id;

-- name: used_keys
-- What keys of accounts were used for.
-- row: dwctl.requests.singles.store:Used
select k.owner_id, k.key, k.digest, k.request_id
from unnest($1::uuid[], $2::text[]) as i (owner_id, key)
join response_keys k on k.owner_id = i.owner_id and k.key = i.key;

-- name: forget_keys
-- Keys that are older than $1 seconds, at most $2.
delete from response_keys
where (owner_id, key) in (
    select owner_id, key from response_keys
    where created_at < now() - make_interval(secs => $1)
    order by created_at
    limit $2
);

-- name: forget_fleeting
-- Content of calls that are over and want nothing stored, once whoever waits has had $1 seconds to read it; at most $2.
delete from contents
where id in (
    select c.id from contents c
    left join requests r on r.id = c.id
    where c.fleeting and (r.id is null or (r.state >= 3 and r.completed_at < now() - make_interval(secs => $1)))
    limit $2
);

-- name: drop_content
-- Of a call whose client has its answer and wants nothing stored.
delete from contents where id = $1 and fleeting;
