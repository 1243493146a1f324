-- name: get_batch
-- A batch that is not deleted, of the account $2, or whoever's when that is null.
-- row: dwctl.engine.batches.structs:BatchRow
select
    b.id, b.owner_id, b.creator_id, u.email as creator_email, b.file_id, b.file_name, b.endpoint, b.completion_window,
    b.metadata, b.request_source, b.output_file_id, b.error_file_id, b.created_at, b.expires_at, b.total, b.completed,
    b.failed, b.canceled, b.prompt_tokens, b.completion_tokens, b.cached_tokens, b.reasoning_tokens, b.total_tokens,
    b.cost, b.runs, b.duration_ms, b.first_bytes, b.first_byte_ms, b.retry_to, b.started_at, b.completed_at, b.failed_at,
    b.cancelling_at, b.cancelled_at, b.errors, b.first_id, b.last_id
from batches b
left join users u on u.id = b.creator_id
where b.id = $1 and b.deleted_at is null and ($2::uuid is null or b.owner_id = $2);

-- name: list_batches
-- The newest first. Filters that are null do not apply: $1 owner; $2 creator; $3 words in metadata, name of the file or
-- id; $4 status; $5 completion windows; $6 and $7 made after and before; $8 whether it goes on; $9 and $10 behind this
-- moment and id. $11 to give; $12 endpoint; $13 a model that its file names.
-- row: dwctl.engine.batches.structs:BatchRow
select
    b.id, b.owner_id, b.creator_id, u.email as creator_email, b.file_id, b.file_name, b.endpoint, b.completion_window,
    b.metadata, b.request_source, b.output_file_id, b.error_file_id, b.created_at, b.expires_at, b.total, b.completed,
    b.failed, b.canceled, b.prompt_tokens, b.completion_tokens, b.cached_tokens, b.reasoning_tokens, b.total_tokens,
    b.cost, b.runs, b.duration_ms, b.first_bytes, b.first_byte_ms, b.retry_to, b.started_at, b.completed_at, b.failed_at,
    b.cancelling_at, b.cancelled_at, b.errors, b.first_id, b.last_id
from batches b
left join users u on u.id = b.creator_id
where b.deleted_at is null
    and ($1::uuid is null or b.owner_id = $1)
    and ($2::uuid is null or b.creator_id = $2)
    and (
        $3::text is null or strpos(lower(b.metadata::text), lower($3)) > 0
        or strpos(lower(b.file_name), lower($3)) > 0 or strpos(b.id::text, lower($3)) > 0
    )
    and (
        $4::text is null
        or case $4
            when 'completed' then b.completed_at is not null and b.cancelling_at is null
            when 'failed' then b.failed_at is not null and b.cancelling_at is null
            when 'cancelled' then b.cancelling_at is not null or b.cancelled_at is not null
            when 'in_progress' then
                b.completed_at is null and b.failed_at is null and b.cancelling_at is null and b.cancelled_at is null
            when 'expired' then
                coalesce(b.completed_at, b.failed_at, b.cancelled_at, case when b.cancelling_at is null then now() end)
                > b.expires_at
        end
    )
    and ($5::text[] is null or b.completion_window = any ($5))
    and ($6::timestamptz is null or b.created_at >= $6)
    and ($7::timestamptz is null or b.created_at <= $7)
    and (
        $8::boolean is null
        or (
            b.completed_at is null and b.failed_at is null and b.cancelling_at is null and b.cancelled_at is null
        ) = $8
    )
    and ($9::timestamptz is null or (b.created_at, b.id) < ($9, $10::uuid))
    and ($12::text is null or b.endpoint = $12)
    and ($13::text is null or exists (select from files f where f.id = b.file_id and f.models ? $13))
order by b.created_at desc, b.id desc
limit $11;

-- name: plan_for_these_values
-- Filters that do not apply are left out of the plan, in this transaction.
select set_config('plan_cache_mode', 'force_custom_plan', true);

-- name: place_of_batch
-- Where a list goes on behind a batch, deleted or not.
select
    created_at,
    completed_at is null and failed_at is null and cancelling_at is null and cancelled_at is null as active
from batches
where id = $1 and ($2::uuid is null or owner_id = $2);

-- name: find_by_key
-- The batch that a person made with this Idempotency-Key.
select id, idempotency_digest from batches where owner_id = $1 and creator_id = $2 and idempotency_key = $3;

-- name: balance
-- Of an account; zero when it has none yet.
select coalesce((select balance from accounts where id = $1), 0) as balance;

-- name: file_to_run
-- The file of a new batch, as it can be used at this moment.
-- row: dwctl.engine.batches.structs:FileRow
select id, name, purpose, lines, models, owner_id
from files
where id = $1 and status = 'processed' and (expires_at is null or expires_at > now());

-- name: models_named
-- Of the aliases $1 those that there are.
-- row: dwctl.engine.batches.structs:ModelRow
select
    alias, throughput, allowed_batch_completion_windows as windows,
    exists (
        select from model_traffic_rules r where r.model_id = models.id and r.purpose = 'batch' and r.action = 'deny'
    ) as denied
from models
where alias = any ($1::text[]) and deleted_at is null and status = 'active';

-- name: lock_models
-- Who admits work for these models comes one after another, until the transaction ends. Aliases in their order, so that
-- no two wait for each other.
select pg_advisory_xact_lock(hashtextextended('batch capacity: ' || m.alias, 0))
from unnest($1::text[]) with ordinality as m (alias, n)
order by m.n;

-- name: promised
-- What is promised of the models $1 within the next $2 seconds: of batches what waits, runs or is still to be made into
-- requests, and single calls; what is overdue too, and not what is being cancelled.
select a.model, sum(a.live + a.promised)::bigint as requests
from lanes a
join batches b on b.id = a.batch_id and b.cancelling_at is null
where a.model = any ($1::text[]) and a.deadline <= now() + make_interval(secs => $2::double precision)
group by a.model
union all
select a.model, count(*)
from lanes a
join queue q on q.lane_id = a.id
where a.batch_id is null and a.model = any ($1) and q.deadline <= now() + make_interval(secs => $2::double precision)
group by a.model;

-- name: delete_batch
-- Its Idempotency-Key can be used again.
update batches set deleted_at = now(), idempotency_key = null, idempotency_digest = null
where id = $1 and deleted_at is null
returning id;

-- name: requests_of_batch
-- Of the requests $2 those that are lines of the batch, and whether they have failed.
select r.id, r.state = 3 as failed
from batches b
cross join unnest($2::uuid[]) as n (id)
join requests r on r.id = n.id and r.batch_id = b.id
where b.id = $1;

-- name: results
-- Lines of a batch's file from line $2 to before $7 and what has become of them: up to $4, and no more than some $5 bytes
-- of bodies, but at least one. $1 batch; $3 a part of the custom_id; $6 statuses; $8 file; ids of requests lie between $9
-- and $10; $11 whether the batch is cancelled. All of the batch's is handed in, so that lines are read in their order.
-- row: dwctl.engine.batches.structs:ResultRow
with found as (
    select
        l.line, l.custom_id, l.model, r.id, r.state, q.holder is not null as running, r.status_code, r.error_code,
        r.error_message, l.body, c.response, length(l.body) + coalesce(length(c.response), 0) as size
    from file_lines l
    left join lateral (
        select * from requests r where r.batch_id = $1::uuid and r.line = l.line and r.id between $9::uuid and $10::uuid
        offset 0
    ) r on true
    left join lateral (select q.holder from queue q where q.id = r.id offset 0) q on true
    left join lateral (
        select c.response from contents c where c.id = r.id and c.id between $9 and $10 offset 0
    ) c on true
    where l.file_id = $8::uuid and l.line >= $2 and l.line < $7
        and ($3::text is null or strpos(lower(l.custom_id), lower($3)) > 0)
        and (
            $6::text[] is null
            or case r.state
                when 3 then 'failed'
                when 4 then 'completed'
                when 5 then 'canceled'
                else case
                    when r.id is null and $11::boolean then 'canceled'
                    when q.holder is not null then 'in_progress'
                    else 'pending'
                end
            end = any ($6)
        )
    order by l.line
    limit $4
)
select line, custom_id, model, id, state, running, status_code, error_code, error_message, body, response
from (select f.*, sum(size) over (order by line rows unbounded preceding) - size as before from found f) f
where before < $5
order by line;

-- name: results_without_file
-- The same of a batch whose file is deleted.
-- row: dwctl.engine.batches.structs:ResultRow
with found as (
    select
        r.line, r.custom_id, r.model, r.id, r.state, q.holder is not null as running, r.status_code, r.error_code,
        r.error_message, null::bytea as body, c.response, coalesce(length(c.response), 0) as size
    from requests r
    left join lateral (select q.holder from queue q where q.id = r.id offset 0) q on true
    left join lateral (
        select c.response from contents c where c.id = r.id and c.id between $8::uuid and $9::uuid offset 0
    ) c on true
    where r.batch_id = $1::uuid and r.line >= $2 and r.line < $7 and r.id between $8 and $9
        and ($3::text is null or strpos(lower(r.custom_id), lower($3)) > 0)
        and (
            $6::text[] is null
            or case r.state
                when 3 then 'failed'
                when 4 then 'completed'
                when 5 then 'canceled'
                else case when q.holder is not null then 'in_progress' else 'pending' end
            end = any ($6)
        )
    order by r.line
    limit $4
)
select line, custom_id, model, id, state, running, status_code, error_code, error_message, body, response
from (select f.*, sum(size) over (order by line rows unbounded preceding) - size as before from found f) f
where before < $5
order by line;
