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

-- name: insert_batch
-- A batch over a file of requests, with its output files and its lanes, which stay closed until it is populated. Nothing
-- when the file is not there, or has expired.
with file as (
    select * from files
    where id = $2 and status = 'processed' and purpose = 'batch' and lines > 0
        and (expires_at is null or expires_at > now())
    for share
),
made as (
    insert into batches (
        id, file_id, file_name, owner_id, creator_id, key_id, run_key_id, endpoint, completion_window, output_file_id,
        error_file_id, created_at, expires_at, total, first_id, last_id
    )
    select
        $1, f.id, f.name, $3, $4, $5, $6, $7, $8, $9, $10, now(), $11, f.lines, uuidv7_floor(now()),
        uuidv7_floor(now() + interval '1 ms')
    from file f
    returning *
),
views as (
    insert into files (id, name, purpose, owner_id, creator_id, batch_id)
    select v.id, format('batch-%s-%s.jsonl', m.id, v.kind), 'batch_' || v.kind, m.owner_id, m.creator_id, m.id
    from made m
    cross join lateral (values (m.output_file_id, 'output'), (m.error_file_id, 'error')) v (id, kind)
),
lined as (
    insert into lanes (
        tier, model, owner_id, creator_id, key_id, run_key_id, batch_id, completion_window, deadline, closed
    )
    select
        'batch', n.model, m.owner_id, m.creator_id, m.key_id, m.run_key_id, m.id, m.completion_window, m.expires_at, true
    from made m cross join file f cross join lateral jsonb_object_keys(f.models) n (model)
)
select id from made;

-- name: requests_of
-- The requests of a batch in the order of their lines, at most $2.
-- row: dwctl.requests.whole.store:BatchRequest
select r.id, r.line, r.custom_id, r.model, r.state, r.attempt, r.status_code, q.holder is not null as running
from batches b
join requests r on r.batch_id = b.id and r.id between b.first_id and b.last_id
left join queue q on q.id = r.id
where b.id = $1 and b.deleted_at is null
order by r.line
limit $2;
