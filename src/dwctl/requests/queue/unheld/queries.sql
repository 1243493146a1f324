-- name: lock_held
-- What settle will lock first.
select id from queue where holder = $1 and id = any ($2::uuid[]) order by id for update;

-- name: lock_batches_of
-- And then: also the batches of requests that are no longer held, whose costs it will move.
select b.id from batches b
where b.id in (select r.batch_id from requests r where r.id = any ($1::uuid[]))
order by b.id
for update;

-- name: batches_of
-- The batches of requests.
select r.id, b.id as batch_id from requests r join batches b on b.id = r.batch_id where r.id = any ($1::uuid[]);

-- name: take_back
-- Of requests $2 in attempts $3 those that wait in that attempt: the process $1 has run it, so it held them, and the
-- database lost that claim in a crash. In the order of cancelling: behind the batches.
update queue q set holder = $1, claimed_at = now()
where q.id = any (array(
    select w.id
    from queue w
    join unnest($2::uuid[], $3::smallint[]) as i (id, attempt) on w.id = i.id and w.attempt = i.attempt
    where w.id = any ($2::uuid[]) and w.holder is null
    order by w.id
    for update of w
));

-- name: held_by_others
-- Of requests $1 in attempts $2 those whose attempt waits or is run by somebody else, and whether it waits.
select q.id, q.holder is null as waits
from queue q
join unnest($1::uuid[], $2::smallint[]) as i (id, attempt) on q.id = i.id and q.attempt = i.attempt
where q.id = any ($1::uuid[]);
