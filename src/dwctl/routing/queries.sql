-- name: list_keys
-- Live keys of live accounts. $1 limits them to these keys, $2 to keys owned by these accounts; null means all.
select
    k.id,
    k.secret_hash,
    k.user_id as owner_id,
    k.created_by as creator_id,
    k.purpose,
    extract(epoch from k.expires_at)::float8 as expires_at,
    k.requests_per_second::numeric::float8 as requests_per_second, k.burst_size, k.requests_per_minute,
    k.tokens_per_minute, k.max_concurrent,
    k.allowed_models,
    k.allowed_cidrs,
    k.name, k.budget_amount, k.budget_period, owner.username, owner.budget_amount as owner_budget_amount,
    owner.budget_period as owner_budget_period,
    (select array_agg(g.group_id) from user_groups g where g.user_id = k.user_id) as groups
from api_keys k
join users owner on owner.id = k.user_id and owner.deleted_at is null
join users creator on creator.id = k.created_by and creator.deleted_at is null
where k.deleted_at is null
    and ($1::uuid[] is null or k.id = any ($1))
    and ($2::uuid[] is null or k.user_id = any ($2) or k.created_by = any ($2));

-- name: list_models
-- Live, active models with their endpoint, if they have one of their own. $1 limits them to these models and the pools
-- that hold them, $2 adds those of these endpoints and the pools that hold those; both null means all.
select
    m.id,
    m.alias,
    m.type,
    m.model_name,
    m.is_composite,
    m.lb_strategy,
    m.fallback,
    m.response_headers,
    m.sanitize_responses,
    m.trusted,
    m.open_responses_adapter,
    m.chat_completions_adapter,
    m.reasoning_translation,
    extract(epoch from m.created_at)::bigint as created,
    e.id as endpoint_id,
    e.name as endpoint_name,
    e.url,
    e.api_key_sealed,
    e.auth_header_name,
    e.auth_header_prefix,
    m.requests_per_second, m.burst_size, m.requests_per_minute, m.tokens_per_minute, m.capacity, m.batch_capacity,
    e.requests_per_second as provider_requests_per_second, e.burst_size as provider_burst_size,
    e.requests_per_minute as provider_requests_per_minute, e.tokens_per_minute as provider_tokens_per_minute,
    e.max_concurrent as provider_max_concurrent,
    e.timeouts,
    (select array_agg(g.group_id) from model_groups g where g.model_id = m.id) as groups
from models m
left join endpoints e on e.id = m.endpoint_id
where m.deleted_at is null
    and m.status = 'active'
    and (
        ($1::uuid[] is null and $2::uuid[] is null)
        or m.id = any ($1)
        or exists (select 1 from model_components c where c.pool_id = m.id and c.component_id = any ($1))
        or m.endpoint_id = any ($2)
        or exists (
            select 1 from model_components c
            join models part on part.id = c.component_id
            where c.pool_id = m.id and part.endpoint_id = any ($2)
        )
    );

-- name: list_components
-- The usable targets of pools $1, in the order of their priorities.
select
    c.pool_id,
    c.weight,
    m.id,
    m.model_name,
    m.response_headers,
    m.trusted,
    m.open_responses_adapter,
    m.chat_completions_adapter,
    m.reasoning_translation,
    e.id as endpoint_id,
    e.name as endpoint_name,
    e.url,
    e.api_key_sealed,
    e.auth_header_name,
    e.auth_header_prefix,
    m.requests_per_second, m.burst_size, m.requests_per_minute, m.tokens_per_minute, m.capacity,
    e.requests_per_second as provider_requests_per_second, e.burst_size as provider_burst_size,
    e.requests_per_minute as provider_requests_per_minute, e.tokens_per_minute as provider_tokens_per_minute,
    e.max_concurrent as provider_max_concurrent,
    e.timeouts
from model_components c
join models m on m.id = c.component_id and m.deleted_at is null and m.status = 'active'
join endpoints e on e.id = m.endpoint_id
where c.pool_id = any ($1) and c.enabled
order by c.pool_id, c.sort_order, c.created_at, c.id;

-- name: list_rules
-- The traffic rules of models $1. A target that is deleted has no alias here.
select r.model_id, r.purpose, r.action, t.alias as target
from model_traffic_rules r
left join models t on t.id = r.target_id and t.deleted_at is null
where r.model_id = any ($1::uuid[]);

-- name: models_leading_to
-- Models that redirect to one of the models $1, whose alias they know.
select distinct model_id from model_traffic_rules where target_id = any ($1::uuid[]);

-- name: list_tariffs
-- The tariffs in force of models $1.
select
    id, model_id, purpose, completion_window, input_price, output_price, cached_input_price, reasoning_price,
    cache_write_price
from model_tariffs
where model_id = any ($1::uuid[]) and valid_until is null;

-- name: list_tools
-- The tools of models $1 that some group has, in the order of their names.
select
    m.model_id, t.id, t.name, t.description, t.parameters, t.url, t.api_key_sealed, t.timeout_secs,
    array_agg(g.group_id) as groups
from model_tool_sources m
join tool_sources t on t.id = m.tool_source_id
join group_tool_sources g on g.tool_source_id = t.id and g.group_id <> '00000000-0000-0000-0000-000000000000'
where m.model_id = any ($1::uuid[])
group by m.model_id, t.id
order by m.model_id, t.name;
