-- name: without_sorting
-- For the rest of this transaction.
select set_config('enable_sort', 'off', true);

-- name: bounds_of_batch
-- Between which ids the requests of a batch lie, or of the group of a single call: then that call's own.
select first_id, last_id from batches where id = $1
union all
(select id, id from requests where batch_id = $1 and line is null limit 1)
limit 1;

-- name: newest_of_all
-- Ids of calls in [$1, $2), newest first, that fit the filters $5 to $16: at most $4 of them, and at most $3 rows are
-- looked at. The last row that was looked at comes along even if it does not fit: from there the next page goes on.
-- The statements below differ in index and direction only; whatever is no index's first column is a filter. They are
-- written so that one index alone gives their order, and run without sorting: otherwise a plan that is kept for all
-- values reads rows of other models or owners along the ids, without a bound. The ids are compared twice: in pairs they
-- are where the scan of the index begins and ends, alone they say which partitions matter.
select id, fits, last
from (
    select
        id,
        row_number() over (order by id desc) = $3::bigint as last,
        ($5::text is null or model = $5) and ($6::integer is null or status_code = $6)
        and ($7::integer is null or status_code >= $7) and ($8::integer is null or status_code <= $8)
        and ($9::float8 is null or duration_ms >= $9) and ($10::float8 is null or duration_ms <= $10)
        and ($11::text is null or '/ai' || path like $11)
        and ($12::uuid is null or batch_id = $12) and ($13::text is null or custom_id = $13)
        and ($14::smallint[] is null or state = any ($14)) and ($15::text is null or service_tier = $15)
        and ($16::boolean is null or background = $16) as fits
    from requests
    where id >= $1 and id < $2
    order by id desc
    limit $3::bigint
) as seen
where fits or last
limit $4::bigint;

-- name: newest_of_owner
-- The same for calls of the account $17.
select id, fits, last
from (
    select
        id,
        row_number() over (order by owner_id desc, id desc) = $3::bigint as last,
        ($5::text is null or model = $5) and ($6::integer is null or status_code = $6)
        and ($7::integer is null or status_code >= $7) and ($8::integer is null or status_code <= $8)
        and ($9::float8 is null or duration_ms >= $9) and ($10::float8 is null or duration_ms <= $10)
        and ($11::text is null or '/ai' || path like $11)
        and ($12::uuid is null or batch_id = $12) and ($13::text is null or custom_id = $13)
        and ($14::smallint[] is null or state = any ($14)) and ($15::text is null or service_tier = $15)
        and ($16::boolean is null or background = $16) as fits
    from requests
    where (owner_id, id) >= ($17, $1) and (owner_id, id) < ($17, $2) and id >= $1 and id < $2
    order by owner_id desc, id desc
    limit $3::bigint
) as seen
where fits or last
limit $4::bigint;

-- name: newest_of_model
-- The same for calls of the model $5.
select id, fits, last
from (
    select
        id,
        row_number() over (order by model desc, id desc) = $3::bigint as last,
        ($6::integer is null or status_code = $6)
        and ($7::integer is null or status_code >= $7) and ($8::integer is null or status_code <= $8)
        and ($9::float8 is null or duration_ms >= $9) and ($10::float8 is null or duration_ms <= $10)
        and ($11::text is null or '/ai' || path like $11)
        and ($12::uuid is null or batch_id = $12) and ($13::text is null or custom_id = $13)
        and ($14::smallint[] is null or state = any ($14)) and ($15::text is null or service_tier = $15)
        and ($16::boolean is null or background = $16) as fits
    from requests
    where (model, id) >= ($5::text, $1) and (model, id) < ($5::text, $2) and id >= $1 and id < $2
    order by model desc, id desc
    limit $3::bigint
) as seen
where fits or last
limit $4::bigint;

-- name: oldest_of_all
-- From the oldest on.
select id, fits, last
from (
    select
        id,
        row_number() over (order by id) = $3::bigint as last,
        ($5::text is null or model = $5) and ($6::integer is null or status_code = $6)
        and ($7::integer is null or status_code >= $7) and ($8::integer is null or status_code <= $8)
        and ($9::float8 is null or duration_ms >= $9) and ($10::float8 is null or duration_ms <= $10)
        and ($11::text is null or '/ai' || path like $11)
        and ($12::uuid is null or batch_id = $12) and ($13::text is null or custom_id = $13)
        and ($14::smallint[] is null or state = any ($14)) and ($15::text is null or service_tier = $15)
        and ($16::boolean is null or background = $16) as fits
    from requests
    where id >= $1 and id < $2
    order by id
    limit $3::bigint
) as seen
where fits or last
limit $4::bigint;

-- name: oldest_of_owner
-- From the oldest on, calls of the account $17.
select id, fits, last
from (
    select
        id,
        row_number() over (order by owner_id, id) = $3::bigint as last,
        ($5::text is null or model = $5) and ($6::integer is null or status_code = $6)
        and ($7::integer is null or status_code >= $7) and ($8::integer is null or status_code <= $8)
        and ($9::float8 is null or duration_ms >= $9) and ($10::float8 is null or duration_ms <= $10)
        and ($11::text is null or '/ai' || path like $11)
        and ($12::uuid is null or batch_id = $12) and ($13::text is null or custom_id = $13)
        and ($14::smallint[] is null or state = any ($14)) and ($15::text is null or service_tier = $15)
        and ($16::boolean is null or background = $16) as fits
    from requests
    where (owner_id, id) >= ($17, $1) and (owner_id, id) < ($17, $2) and id >= $1 and id < $2
    order by owner_id, id
    limit $3::bigint
) as seen
where fits or last
limit $4::bigint;

-- name: oldest_of_model
-- From the oldest on, calls of the model $5.
select id, fits, last
from (
    select
        id,
        row_number() over (order by model, id) = $3::bigint as last,
        ($6::integer is null or status_code = $6)
        and ($7::integer is null or status_code >= $7) and ($8::integer is null or status_code <= $8)
        and ($9::float8 is null or duration_ms >= $9) and ($10::float8 is null or duration_ms <= $10)
        and ($11::text is null or '/ai' || path like $11)
        and ($12::uuid is null or batch_id = $12) and ($13::text is null or custom_id = $13)
        and ($14::smallint[] is null or state = any ($14)) and ($15::text is null or service_tier = $15)
        and ($16::boolean is null or background = $16) as fits
    from requests
    where (model, id) >= ($5::text, $1) and (model, id) < ($5::text, $2) and id >= $1 and id < $2
    order by model, id
    limit $3::bigint
) as seen
where fits or last
limit $4::bigint;

-- name: describe
-- Calls by their ids, with the names of what they belong to.
-- row: dwctl.control.requests.store:Row
select
    r.id, r.state, r.stream, r.status_code, r.upstream_status, r.created_at, r.owner_id, u.email,
    -- The key of somebody's session is not named: nobody lists it.
    case when k.hidden is not true then r.key_id end as key_id, case when not k.hidden then k.name end as key_name,
    case when not k.hidden then k.secret_prefix end as secret_prefix, r.endpoint_id, e.name as endpoint_name, r.path, r.model, r.target_model,
    r.service_tier, r.first_byte_ms, r.duration_ms, r.overhead_ms, r.prompt_tokens, r.completion_tokens,
    r.reasoning_tokens, r.cached_tokens, r.cache_write_tokens, r.total_tokens, r.audio_seconds, r.estimated,
    r.tariff_id, r.cost, r.request_size, r.response_size, r.finish_reason, r.error_code, r.error_message, r.user_agent,
    r.batch_id, r.custom_id, r.background, r.attempt, r.completed_at, r.deadline,
    -- A queued call starts when a process takes it; of one that has ended only its last run is known.
    case
        when q.holder is not null then q.claimed_at
        when r.batch_id is null then r.created_at
        else r.completed_at - make_interval(secs => r.duration_ms / 1000)
    end as started_at,
    q.holder is not null as running
from requests r
left join queue q on q.id = r.id
left join users u on u.id = r.owner_id
left join api_keys k on k.id = r.key_id
left join endpoints e on e.id = r.endpoint_id
where r.id = any($1::uuid[]);

-- name: earlier_attempts
-- Attempts of a call that were followed by another one, in their order.
-- row: dwctl.control.requests.structs:Attempt
select attempt, started_at, ended_at, status_code, error_code, error_message
from attempts
where request_id = $1
order by attempt;

-- name: tool_calls
-- Tools of the server that a call has called, in all its attempts.
-- row: dwctl.control.requests.structs:ToolCall
select attempt, name, tool_source_id, outcome, latency_ms, ended_at, item_id
from tool_calls
where request_id = $1
order by attempt, number;
