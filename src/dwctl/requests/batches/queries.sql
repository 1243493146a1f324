-- name: insert_file
-- A small file of requests, whole at once.
with lines as (
    select * from unnest($5::text[], $6::text[], $7::text[], $8::bytea[]) with ordinality as l (
        custom_id, model, url, body, n
    )
),
put as (
    insert into file_lines (file_id, line, custom_id, model, url, prefix, body)
    select $1, n - 1, custom_id, model, url, n - 1, body from lines
),
by_url as (select model, url, count(*) as n, sum(length(body)) as bytes from lines group by model, url),
by_model as (
    select model, json_build_object('lines', sum(n), 'bytes', sum(bytes), 'urls', json_object_agg(url, n)) as told
    from by_url
    group by model
)
insert into files (id, name, purpose, bytes, lines, models, owner_id, creator_id)
select
    $1, $2, 'batch', (select coalesce(sum(length(body)), 0) from lines), (select count(*) from lines),
    (select coalesce(json_object_agg(model, told), '{}') from by_model), $3, $4;

-- name: file_of_requests
-- What a batch over it needs to know; nothing for one that is not there, has expired or holds no requests.
select name, lines, models from files
where id = $1 and purpose = 'batch' and lines > 0 and status = 'processed' and (expires_at is null or expires_at > now());

-- name: hold_file
-- It is not deleted before the batch over it is there.
select id from files
where id = $1 and status = 'processed' and (expires_at is null or expires_at > now())
for share;

-- name: create_batch
-- No row comes back when the Idempotency-Key has made one already.
insert into batches (
    id, owner_id, creator_id, key_id, run_key_id, file_id, file_name, endpoint, completion_window, metadata, request_source,
    idempotency_key, idempotency_digest, output_file_id, error_file_id, created_at, expires_at, total, first_id, last_id
)
values (
    $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, now(),
    now() + make_interval(secs => $16::double precision), $17, uuidv7_floor(now()), uuidv7_floor(now() + interval '1 ms')
)
on conflict (owner_id, creator_id, idempotency_key) where idempotency_key is not null do nothing
returning id;

-- name: create_lanes
-- One for each of the models $2 with $3 lines, closed until the batch is populated.
insert into lanes (
    tier, model, owner_id, creator_id, key_id, run_key_id, batch_id, completion_window, deadline, closed, promised
)
select 'batch', m.model, b.owner_id, b.creator_id, b.key_id, b.run_key_id, b.id, b.completion_window, b.expires_at, true, m.lines
from batches b
cross join unnest($2::text[], $3::integer[]) as m (model, lines)
where b.id = $1;

-- name: create_files
-- Of what completes and of what fails; they live for $2 seconds from now on, or for ever when that is null.
insert into files (id, name, purpose, owner_id, creator_id, key_id, batch_id, created_at, expires_at)
select
    f.id, 'batch-' || b.id || f.suffix, f.purpose, b.owner_id, b.creator_id, b.key_id, b.id, b.created_at,
    b.created_at + make_interval(secs => $2::double precision)
from batches b
cross join lateral (
    values (b.output_file_id, '-output.jsonl', 'batch_output'), (b.error_file_id, '-error.jsonl', 'batch_error')
) as f (id, suffix, purpose)
where b.id = $1;

-- name: requests_of
-- The requests of a batch in the order of their lines, at most $2.
-- row: dwctl.requests.batches.store:BatchRequest
select r.id, r.line, r.custom_id, r.model, r.state, r.attempt, r.status_code, q.holder is not null as running
from batches b
join requests r on r.batch_id = b.id and r.id between b.first_id and b.last_id
left join queue q on q.id = r.id
where b.id = $1 and b.deleted_at is null
order by r.line
limit $2;
