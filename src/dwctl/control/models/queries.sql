-- name: list_models
-- Filters that are null do not apply. $1 the account whose access counts, null for all models; $2 endpoint; $3 groups;
-- $4 part of alias, model name or endpoint name; $5 type; $6 capability; $7 deleted ones too; $8 status; $9 sort column;
-- $10 descending; $11 provider; $12 composite or not; $13 to leave out; $14 to give. Models without what is sorted by come last.
select
    m.id, m.model_name, m.alias, m.display_name, m.description, m.type, m.capabilities, m.endpoint_id, m.status,
    m.created_at, m.updated_at, m.last_sync, m.metadata, m.created_by, m.deleted_at is not null as deleted,
    m.is_composite, m.lb_strategy, m.fallback, m.response_headers, m.sanitize_responses, m.trusted, m.open_responses_adapter,
    m.chat_completions_adapter,
    m.requests_per_second, m.burst_size, m.requests_per_minute, m.tokens_per_minute, m.capacity, m.batch_capacity,
    m.throughput, m.allowed_batch_completion_windows,
    m.reasoning_translation,
    count(*) over () as total
from models m
left join endpoints e on e.id = m.endpoint_id
cross join lateral (
    select
        case $9::text
            when 'alias' then m.alias
            when 'provider' then lower(m.metadata ->> 'provider')
            when 'released_at' then m.metadata ->> 'released_at'
        end as by_text,
        case
            when $9 = 'price_from' then (
                select min(t.input_price) from model_tariffs t where t.model_id = m.id and t.valid_until is null
            )
            when $9 in ('intelligence_index', 'context_window') and jsonb_typeof(m.metadata -> $9) = 'number'
            then (m.metadata ->> $9)::numeric
        end as by_number
) as sorted
where ($7::boolean or m.deleted_at is null)
    and (
        $1::uuid is null
        or exists (
            select 1 from model_groups g
            where g.model_id = m.id
                and (
                    g.group_id = '00000000-0000-0000-0000-000000000000'
                    or g.group_id in (select group_id from user_groups where user_id = $1)
                )
        )
    )
    and ($2::uuid is null or m.endpoint_id = $2)
    and (
        $3::uuid[] is null
        or exists (select 1 from model_groups g where g.model_id = m.id and g.group_id = any ($3))
    )
    and (
        $4::text is null or strpos(lower(m.alias), lower($4)) > 0
        or strpos(lower(m.model_name), lower($4)) > 0 or strpos(lower(e.name), lower($4)) > 0
    )
    and ($5::text is null or m.type = $5)
    and ($6::text is null or $6 = any (m.capabilities))
    and ($8::text is null or m.status = $8)
    and ($11::text is null or lower(m.metadata ->> 'provider') = lower($11))
    and ($12::boolean is null or m.is_composite = $12)
order by
    case when not $10 then sorted.by_text end asc nulls last,
    case when $10 then sorted.by_text end desc nulls last,
    case when not $10 then sorted.by_number end asc nulls last,
    case when $10 then sorted.by_number end desc nulls last,
    case when not $10 then m.created_at end asc,
    m.created_at desc,
    m.id
offset $13 limit $14;

-- name: facets
-- $1 the account whose access counts, null for all models; $2 status or null.
with seen as (
    select m.type, m.capabilities, m.metadata ->> 'provider' as provider
    from models m
    where m.deleted_at is null
        and ($2::text is null or m.status = $2)
        and (
            $1::uuid is null
            or exists (
                select 1 from model_groups g
                where g.model_id = m.id
                    and (
                        g.group_id = '00000000-0000-0000-0000-000000000000'
                        or g.group_id in (select group_id from user_groups where user_id = $1)
                    )
            )
        )
)
select
    (select array_agg(distinct provider order by provider) from seen where provider is not null) as providers,
    (select array_agg(distinct one order by one) from seen, unnest(capabilities) as one) as capabilities,
    (select array_agg(distinct type order by type) from seen) as model_types;

-- name: get_model
select
    m.id, m.model_name, m.alias, m.display_name, m.description, m.type, m.capabilities, m.endpoint_id, m.status,
    m.created_at, m.updated_at, m.last_sync, m.metadata, m.created_by, m.deleted_at is not null as deleted,
    m.is_composite, m.lb_strategy, m.fallback, m.response_headers, m.sanitize_responses, m.trusted, m.open_responses_adapter,
    m.chat_completions_adapter,
    m.requests_per_second, m.burst_size, m.requests_per_minute, m.tokens_per_minute, m.capacity, m.batch_capacity,
    m.throughput, m.allowed_batch_completion_windows,
    m.reasoning_translation
from models m
where m.id = $1;

-- name: may_use
select exists (
    select 1 from model_groups g
    where g.model_id = $1
        and (
            g.group_id = '00000000-0000-0000-0000-000000000000'
            or g.group_id in (select group_id from user_groups where user_id = $2)
        )
);

-- name: groups_of_models
select g.model_id, r.id, r.name, r.description
from model_groups g
join groups r on r.id = g.group_id
where g.model_id = any ($1)
order by r.name;

-- name: create_model
insert into models (
    id, alias, model_name, display_name, description, type, capabilities, endpoint_id, metadata, created_by,
    is_composite, lb_strategy, fallback, response_headers,
    requests_per_second, burst_size, requests_per_minute, tokens_per_minute, capacity, batch_capacity, throughput,
    sanitize_responses, trusted, open_responses_adapter, chat_completions_adapter, reasoning_translation,
    allowed_batch_completion_windows
)
values (
    $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21,
    $22, $23, $24, $25, $26, $27
);

-- name: update_model
update models set
    alias = $2, display_name = $3, description = $4, type = $5, capabilities = $6, metadata = $7, lb_strategy = $8,
    fallback = $9, response_headers = $10,
    requests_per_second = $11, burst_size = $12, requests_per_minute = $13, tokens_per_minute = $14, capacity = $15,
    batch_capacity = $16, throughput = $17,
    sanitize_responses = $18, trusted = $19, open_responses_adapter = $20, chat_completions_adapter = $21,
    reasoning_translation = $22, allowed_batch_completion_windows = $23
where id = $1;

-- name: delete_model
update models set deleted_at = now() where id = $1 and deleted_at is null returning id;

-- name: rules_of_models
select r.model_id, r.purpose, r.action, t.alias as target
from model_traffic_rules r
left join models t on t.id = r.target_id and t.deleted_at is null
where r.model_id = any ($1);

-- name: lock_model
-- Who changes a model waits for whoever does so at the same time. Others may point at it meanwhile: two models whose
-- rules are set at once may be each other's targets.
select id from models where id = $1 for no key update;

-- name: rules_of_model
select purpose, action, target_id from model_traffic_rules where model_id = $1;

-- name: delete_rules
delete from model_traffic_rules where model_id = $1;

-- name: create_rules
insert into model_traffic_rules (model_id, purpose, action, target_id)
select $1, rule.purpose, rule.action, rule.target_id
from unnest($2::text[], $3::text[], $4::uuid[]) as rule (purpose, action, target_id);

-- name: model_by_alias
select id from models where alias = $1 and deleted_at is null;

-- name: tariffs_of_models
-- Those in force.
select
    id, model_id, name, purpose, completion_window, input_price, output_price, cached_input_price, reasoning_price,
    cache_write_price, valid_from, valid_until
from model_tariffs
where model_id = any ($1::uuid[]) and valid_until is null
order by purpose nulls first, completion_window nulls first;

-- name: closed_tariffs_of_models
-- The last $2 that were closed of each.
select
    t.id, t.model_id, t.name, t.purpose, t.completion_window, t.input_price, t.output_price, t.cached_input_price,
    t.reasoning_price, t.cache_write_price, t.valid_from, t.valid_until
from unnest($1::uuid[]) as wanted (id)
cross join lateral (
    select * from model_tariffs
    where model_id = wanted.id and valid_until is not null
    order by valid_until desc, id desc
    limit $2
) as t
order by t.valid_until desc, t.id desc;

-- name: close_tariffs
-- One that was opened in this very transaction would end before it began.
update model_tariffs set valid_until = greatest(now(), valid_from) where id = any ($1::uuid[]);

-- name: open_tariff
insert into model_tariffs (
    id, model_id, name, purpose, completion_window, input_price, output_price, cached_input_price, reasoning_price,
    cache_write_price
)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10);

-- name: provider_prices_of
select
    model_id, mode, input_price, output_price, cached_input_price, reasoning_price, cache_write_price, hourly_rate,
    input_ratio
from provider_prices
where model_id = any ($1::uuid[]);

-- name: set_provider_prices
insert into provider_prices (
    model_id, mode, input_price, output_price, cached_input_price, reasoning_price, cache_write_price, hourly_rate,
    input_ratio
)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
on conflict (model_id) do update set
    mode = excluded.mode, input_price = excluded.input_price, output_price = excluded.output_price,
    cached_input_price = excluded.cached_input_price, reasoning_price = excluded.reasoning_price,
    cache_write_price = excluded.cache_write_price, hourly_rate = excluded.hourly_rate, input_ratio = excluded.input_ratio, updated_at = now();

-- name: delete_provider_prices
delete from provider_prices where model_id = $1;
