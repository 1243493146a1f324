-- name: upsert_requests
-- Create or complete: rows and bodies of one batch, whatever is there already. $1 is a JSON array of records (bytes,
-- so that they are not decoded on the way), $2 the bodies of each in turn, request then response, $3 and $4 their
-- lengths (arrays in text, null where there is none); $5 is the length up to which they are compressed. Within an attempt
-- the rank only rises, completed and canceled stay, and a late write of an older attempt changes nothing. Rows are locked
-- in the order of their ids, so that two of these statements at the same time cannot wait for each other. json and not
-- jsonb: the array is read once, so building its tree is lost.
-- Costs come first: what is not booked yet becomes an entry of the ledger, adds to its row, and is taken off its account,
-- whatever the row's record changes. Entries, rows, balances, then what budgets have spent: always in this order, for the
-- same reason. Whether a budget counts is read where the balance is written, so that no budget can be made in between.
-- Bodies of a request that is not stored, or not any more, are left out (singles/store.py). What tools of the server were
-- called in an attempt is written once, whatever becomes of its row.
with incoming as (
    select *
    from rows from (json_to_recordset(convert_from($1::bytea, 'UTF8')::json) as (
        id uuid, attempt smallint, state smallint, stream boolean, background boolean, status_code smallint,
        upstream_status smallint, created_at float8, completed_at float8, owner_id uuid, creator_id uuid, key_id uuid,
        daemon_id uuid, endpoint_id uuid, path text, model text, target_model text, response_model text, purpose text,
        origin text, service_tier text, first_byte_ms real, duration_ms real, overhead_ms real, prompt_tokens integer,
        completion_tokens integer, reasoning_tokens integer, cached_tokens integer, total_tokens integer,
        request_size integer, response_size integer, finish_reason text, error_code text, error_message text,
        user_agent text, cache_write_tokens integer, audio_seconds real, estimated boolean, tariff_id uuid, cost numeric,
        position integer, batch_id uuid, stored boolean, tool_calls json
    )) with ordinality as r
),
tooled as (
    insert into tool_calls (request_id, attempt, number, tool_source_id, name, outcome, latency_ms, ended_at, item_id)
    select
        i.id, coalesce(i.attempt, 1), c.number, c.source_id, c.name, c.outcome, c.latency_ms,
        to_timestamp(coalesce(c.ended_at, i.completed_at)), c.item_id
    from incoming i
    cross join lateral rows from (
        json_to_recordset(i.tool_calls) as (
            source_id uuid, name text, outcome text, latency_ms real, item_id text, ended_at float8
        )
    ) with ordinality as c (source_id, name, outcome, latency_ms, item_id, ended_at, number)
    where i.tool_calls is not null
    order by i.id, c.number
    on conflict do nothing
),
booked as (
    insert into ledger_entries (
        id, kind, account_id, amount, request_id, attempt, key_id, creator_id, model, origin, called_on, batch_id
    )
    select
        case when coalesce(attempt, 1) = 1 then id else gen_random_uuid() end, 'usage', owner_id, -cost, id,
        coalesce(attempt, 1), key_id, creator_id, model, coalesce(origin, 'api'),
        date '1970-01-01' + floor(floor(created_at) / 86400)::integer, batch_id
    from incoming
    where cost > 0
    order by id
    on conflict do nothing
    returning request_id, account_id, model, -amount as cost, key_id, called_on
),
changed as (
    insert into requests as kept (
        id, attempt, state, stream, background, status_code, upstream_status, created_at, completed_at, owner_id,
        creator_id, key_id, daemon_id, endpoint_id, path, model, target_model, response_model, purpose, origin,
        service_tier, first_byte_ms, duration_ms, overhead_ms, prompt_tokens, completion_tokens, reasoning_tokens,
        cached_tokens, total_tokens, request_size, response_size, finish_reason, error_code, error_message, user_agent,
        cache_write_tokens, audio_seconds, estimated, tariff_id, cost, position, stored
    )
    select
        i.id, coalesce(attempt, 1), coalesce(state, 2), coalesce(stream, false), coalesce(background, false), status_code,
        upstream_status, to_timestamp(created_at), to_timestamp(completed_at), owner_id, creator_id, i.key_id, daemon_id,
        endpoint_id, path, i.model, target_model, response_model, coalesce(purpose, 'realtime'),
        coalesce(origin, 'api'), coalesce(service_tier, 'default'), first_byte_ms, duration_ms, overhead_ms,
        prompt_tokens, completion_tokens, reasoning_tokens, cached_tokens, total_tokens, coalesce(request_size, 0),
        response_size, finish_reason, error_code, error_message, user_agent, cache_write_tokens,
        audio_seconds, coalesce(estimated, false), tariff_id,
        case when i.cost = 0 then 0 else b.cost end, position, coalesce(stored, true)
    from incoming i
    left join booked b on b.request_id = i.id
    order by i.id
    on conflict (id) do update set
        attempt = excluded.attempt,
        state = excluded.state,
        status_code = excluded.status_code,
        upstream_status = excluded.upstream_status,
        completed_at = excluded.completed_at,
        daemon_id = excluded.daemon_id,
        endpoint_id = excluded.endpoint_id,
        target_model = excluded.target_model,
        response_model = excluded.response_model,
        first_byte_ms = excluded.first_byte_ms,
        duration_ms = excluded.duration_ms,
        overhead_ms = excluded.overhead_ms,
        prompt_tokens = excluded.prompt_tokens,
        completion_tokens = excluded.completion_tokens,
        reasoning_tokens = excluded.reasoning_tokens,
        cached_tokens = excluded.cached_tokens,
        total_tokens = excluded.total_tokens,
        cache_write_tokens = excluded.cache_write_tokens,
        audio_seconds = excluded.audio_seconds,
        estimated = excluded.estimated,
        response_size = excluded.response_size,
        finish_reason = excluded.finish_reason,
        error_code = excluded.error_code,
        error_message = excluded.error_message,
        tariff_id = excluded.tariff_id,
        cost = coalesce(kept.cost + excluded.cost, excluded.cost, kept.cost),
        position = coalesce(excluded.position, kept.position)
    where kept.state < 4
        and (
            excluded.attempt > kept.attempt
            or (excluded.attempt = kept.attempt and least(excluded.state, 3) > least(kept.state, 3))
        )
    returning kept.id, kept.stored
),
lengths as (
    select n, request, response, sum(coalesce(request, 0) + coalesce(response, 0)) over (order by n)::integer as stop
    from unnest($3::text::integer[], $4::text::integer[]) with ordinality as t (request, response, n)
),
taken as (
    select
        i.id,
        substring($2::bytea from l.stop - coalesce(l.response, 0) - l.request + 1 for l.request) as request,
        case when c.id is not null then substring($2::bytea from l.stop - l.response + 1 for l.response) end as response,
        l.request > $5::integer as large_request,
        l.response > $5 as large_response
    from lengths l
    join incoming i on i.ordinality = l.n
    left join changed c on c.id = i.id
    where (l.request is not null or l.response is not null)
        -- A record that changed nothing holds its row all the same.
        and case when c.id is null then keeps_bodies(i.id) else c.stored end
),
bodies as (
    insert into request_bodies as kept (id, request, large_request, response, large_response)
    select
        id,
        case when not large_request then request end,
        case when large_request then request end,
        case when not large_response then response end,
        case when large_response then response end
    from taken
    order by id
    on conflict (id) do update set
        request = case when kept.large_request is null then coalesce(kept.request, excluded.request) end,
        large_request = case when kept.request is null then coalesce(kept.large_request, excluded.large_request) end,
        response = case when excluded.large_response is null then coalesce(excluded.response, kept.response) end,
        large_response = case when excluded.response is null then coalesce(excluded.large_response, kept.large_response) end
    returning 1
),
late as (
    select array_agg(request_id) as ids, array_agg(cost) as costs
    from booked
    where not exists (select from changed where changed.id = booked.request_id)
),
paid as (
    insert into accounts as kept (id, balance)
    select account_id, -sum(cost) from booked group by account_id order by account_id
    on conflict (id) do update set
        balance = kept.balance + excluded.balance,
        low_since = case
            when kept.balance + excluded.balance < kept.low_balance_threshold then coalesce(kept.low_since, now())
        end,
        updated_at = now()
    returning id, counted
),
spent as (
    insert into budget_spend as kept (scope, id, day, spent)
    select c.scope, c.id, c.day, sum(b.cost)
    from paid p
    join booked b on b.account_id = p.id
    cross join lateral (
        values
            ('account', b.account_id, b.called_on), ('account', b.account_id, '-infinity'),
            ('key', b.key_id, b.called_on), ('key', b.key_id, '-infinity')
    ) as c (scope, id, day)
    where p.counted and c.id is not null
    group by 1, 2, 3
    order by 1, 2, 3
    on conflict (scope, id, day) do update set spent = kept.spent + excluded.spent
    returning 1
)
-- Without charges the commit that follows does not wait for the disk; local, so that nothing else on this connection is
-- like that.
select
    (select count(*) from changed) as changed,
    (select count(*) from bodies) as bodies,
    (select count(*) from incoming where cost > 0) as costs,
    (select count(*) from booked) as booked,
    (select count(*) from paid) as accounts,
    (select count(*) from spent) as spent,
    (select json_object_agg(model, cost) from (select model, sum(cost) as cost from booked group by model) as m)
        as charged,
    (select case when ids is not null then add_late_costs(ids, costs) end from late) as late,
    set_config(
        'synchronous_commit',
        case when exists (select from booked) then current_setting('synchronous_commit') else 'off' end, true
    ) as synchronous_commit;

-- name: interrupt_requests_of
-- Calls that their process left behind: they end as failed. Batch, flex and background work is for the engine.
update requests set
    state = 3,
    status_code = coalesce(status_code, 500),
    completed_at = now(),
    error_code = 'interrupted',
    error_message = 'The process that ran this call ended before the call did.'
where daemon_id = $1 and state < 3
returning id;

-- part: requests_with_bodies
-- Wherever these lie: in a content of their own, the request log, or the line of a file.
select
    r.id, r.attempt, r.state, r.stream, r.background, r.status_code, r.created_at, r.completed_at, r.owner_id,
    r.creator_id, r.path, r.model, r.service_tier, r.prompt_tokens, r.completion_tokens, r.reasoning_tokens,
    r.cached_tokens, r.cache_write_tokens, r.total_tokens, r.error_code, r.error_message,
    coalesce(c.request, b.request, b.large_request, l.body) as request,
    coalesce(c.response, b.response, b.large_response) as response,
    r.batch_id, q.holder is not null as running, r.line, r.stored
from requests r
left join request_bodies b on b.id = r.id
left join contents c on c.id = r.id
left join queue q on q.id = r.id
left join batches t on t.id = r.batch_id
left join file_lines l on l.file_id = t.file_id and l.line = r.line

-- name: get_request
-- One request. That of a deleted batch is gone, and one that is not stored as a response unless $2. By itself and not as a
-- list of one: of a single value PostgreSQL knows the partition even in a plan that it keeps for all values, and reads
-- no other, which takes half the time.
-- row: dwctl.requests.store:StoredRequest
{{requests_with_bodies}}
where r.id = $1 and t.deleted_at is null and (r.stored or $2);

-- name: get_requests
-- Several, in any order, stored or not; none of a deleted batch.
-- row: dwctl.requests.store:StoredRequest
{{requests_with_bodies}}
where r.id = any ($1::uuid[]) and t.deleted_at is null;

-- part: bytes_of_logged_answer
greatest(
    octet_length(coalesce(b.response, b.large_response)), case when num_nonnulls(b.response, b.large_response) > 0 then r.response_size end
)

-- name: bytes_of_requests
-- What the bodies of these requests take together, without reading them; of an answer that is kept compressed as it came.
select coalesce(sum(
    coalesce(octet_length(c.request), octet_length(b.request), octet_length(b.large_request), octet_length(l.body), 0)
    + coalesce(octet_length(c.response), {{bytes_of_logged_answer}}, 0)
), 0)::bigint
from requests r
left join request_bodies b on b.id = r.id
left join contents c on c.id = r.id
left join batches t on t.id = r.batch_id
left join file_lines l on l.file_id = t.file_id and l.line = r.line
where r.id = any ($1::uuid[]);

-- name: response_chain
-- The response $1 of the account $2, the one that it goes on from, and so on, the newest first, each with the bytes of its
-- bodies: at most $3 of them, and none behind $4 bytes.
with recursive chain as (
    select $1::uuid as id, $1::uuid as next, 0::bigint as size, 0::bigint as total, 0 as number
    union all
    select n.id, n.previous, n.size, c.total + n.size, c.number + 1
    from chain c
    cross join lateral (
        select
            r.id,
            case
                when r.path = '/v1/responses'
                then previous_response_of(coalesce(k.request, b.request, b.large_request, l.body))
            end as previous,
            (
                coalesce(
                    octet_length(k.request), octet_length(b.request), octet_length(b.large_request),
                    octet_length(l.body), 0
                )
                + coalesce(octet_length(k.response), {{bytes_of_logged_answer}}, 0)
            )::bigint as size
        from requests r
        left join request_bodies b on b.id = c.next
        left join contents k on k.id = c.next
        left join batches t on t.id = r.batch_id
        left join file_lines l on l.file_id = t.file_id and l.line = r.line
        where r.id = c.next and r.owner_id = $2 and t.deleted_at is null
        -- One after the other by their keys, whatever the planner thinks of how many there are.
        limit 1
    ) n
    where c.number < $3 and c.total <= $4
)
select id, size from chain where number > 0 order by number;

-- name: state_of
-- Where a request stands.
select state from requests where id = $1;

-- name: key_of
-- A key by the digest of its secret, whatever it may be used for; deleted ones are not there.
-- row: dwctl.requests.store:KeyOwner
select id, user_id, created_by from api_keys where secret_hash = $1 and deleted_at is null;

-- name: insert_processing
-- A request that somebody runs without the queue; nothing when the id is taken.
with made as (
    insert into requests (
        id, state, background, created_at, owner_id, creator_id, key_id, daemon_id, path, model, purpose, origin,
        service_tier, request_size, batch_id
    )
    values ($1, 2, $2, now(), $3, $4, $5, $6, $7, $8, 'realtime', 'api', 'priority', length($9::bytea), $10)
    on conflict (id) do nothing
    returning id
),
content as (insert into contents (id, request) select id, $9 from made)
select id from made;

-- name: end_processing
-- The end of a request that somebody runs without the queue: $2 is its state. Nothing unless it is being run so.
with ended as (
    update requests set
        state = $2, status_code = $3, completed_at = now(), response_size = length($4::bytea),
        error_code = $5, error_message = $6
    where id = $1 and state = 2
    returning id, stored
),
content as (
    insert into contents as kept (id, response) select id, $4 from ended where $4::bytea is not null and stored
    on conflict (id) do update set response = excluded.response
),
told as (select pg_notify('dwctl_ended', id::text) from ended)
select ended.id, (select count(*) from told) from ended;

-- name: register_daemon
-- This process, alive from now on.
insert into daemons (id, kind, hostname, pid, version, installation_id, config) values ($1, $2, $3, $4, $5, $6, $7);

-- name: beat
-- Still alive. A durable commit: it also makes everything durable that this server committed before it.
update daemons set last_heartbeat = now() where id = $1;

-- name: report_daemon
-- A heartbeat with what the process tells of itself.
update daemons set last_heartbeat = now(), stats = $2 where id = $1;

-- name: stop_daemon
-- Ended in order.
update daemons set stopped_at = now(), last_heartbeat = now() where id = $1;

-- name: dead_daemons
-- Processes that no longer live and may have left calls behind: stopped ones of this installation, and, where silence
-- counts ($4), those that were silent for $3 seconds.
select d.id
from daemons d
where d.id <> $1
    and (
        (d.stopped_at is not null and d.installation_id = $2)
        or ($4::boolean and d.last_heartbeat < now() - make_interval(secs => $3))
    )
    and exists (select 1 from requests r where r.daemon_id = d.id and r.state < 3);

-- name: make_partitions
-- The daily partitions from yesterday on.
select ensure_request_partitions((now() at time zone 'UTC')::date - 1, $1 + 2);

-- name: ledger_totals
-- What rows, charges, entries and balances sum up to, each by itself.
select
    (select coalesce(sum(cost), 0) from requests) as costs,
    (select coalesce(-sum(amount), 0) from ledger_entries where kind = 'usage') as charges,
    (select coalesce(sum(amount), 0) from ledger_entries) as entries,
    (select coalesce(sum(balance), 0) from accounts) as balances;

-- name: balances_that_differ
-- Accounts whose balance is not the sum of their entries, at most $1.
select
    coalesce(a.id, e.account_id) as account_id, coalesce(a.balance, 0) as balance, coalesce(e.total, 0) as entries
from accounts a
full join (select account_id, sum(amount) as total from ledger_entries group by account_id) e on e.account_id = a.id
where coalesce(a.balance, 0) <> coalesce(e.total, 0)
order by 1
limit $1;

-- name: spend_that_differs
-- Accounts and keys of which it is counted otherwise what they have spent on a day, or in all (no day), than their charges
-- say, at most $1.
with charged as (
    select account_id, key_id, coalesce(called_on, (created_at at time zone 'UTC')::date) as day, -sum(amount) as total
    from ledger_entries e
    where kind = 'usage' and exists (select from accounts a where a.id = e.account_id and a.counted)
    group by 1, 2, 3
),
summed as (
    select c.scope, c.id, c.day, sum(total) as total
    from charged
    cross join lateral (
        values
            ('account', account_id, day), ('account', account_id, '-infinity'),
            ('key', key_id, day), ('key', key_id, '-infinity')
    ) as c (scope, id, day)
    where c.id is not null
    group by 1, 2, 3
)
select
    coalesce(b.scope, s.scope) as scope, coalesce(b.id, s.id) as id,
    nullif(coalesce(b.day, s.day), '-infinity') as day,
    coalesce(b.spent, 0) as spent, coalesce(s.total, 0) as charged
from budget_spend b
full join summed s on s.scope = b.scope and s.id = b.id and s.day = b.day
where coalesce(b.spent, 0) <> coalesce(s.total, 0)
order by 1, 2, 3
limit $1;

-- name: costs_that_differ
-- Requests whose row does not say what their account was charged, at most $1. Charges of days whose rows were dropped are
-- left alone.
with days as materialized (
    select
        uuidv7_floor(day::timestamp at time zone 'UTC') as since,
        uuidv7_floor((day + 1)::timestamp at time zone 'UTC') as till
    from pg_inherits i
    join pg_class c on c.oid = i.inhrelid
    cross join lateral (select to_date(right(c.relname, 8), 'YYYYMMDD') as day) d
    where i.inhparent = 'requests'::regclass and c.relname ~ '^requests_[0-9]{8}$'
)
select
    coalesce(r.id, e.request_id) as request_id, coalesce(r.owner_id, e.account_id) as account_id,
    coalesce(r.cost, 0) as cost, coalesce(e.total, 0) as charged
from (select id, owner_id, cost from requests where cost <> 0) r
full join (
    select request_id, account_id, -sum(amount) as total
    from ledger_entries
    where kind = 'usage'
    group by request_id, account_id
) e on e.request_id = r.id and e.account_id = r.owner_id
where coalesce(r.cost, 0) <> coalesce(e.total, 0)
    and (
        r.id is not null
        or exists (select 1 from requests there where there.id = e.request_id)
        or not exists (select from days where days.till > e.request_id)
        or exists (select from days where e.request_id >= days.since and e.request_id < days.till)
    )
order by 1
limit $1;

-- name: end_credit_leases_of
-- These processes have ended and all that they charged is committed: what they held of accounts' credit is free again.
delete from credit_leases where holder = any($1::uuid[]);

-- name: credit_holders
-- Other processes of this installation that hold credit.
select distinct holder from credit_leases where installation_id = $1 and holder <> $2;

-- name: batches_that_differ
-- Batches that count otherwise than their requests' rows and the ledger say, at most $1 differences. Rows of a batch that is
-- deleted, or some of whose days were dropped, are left alone.
with days as materialized (
    select
        uuidv7_floor(day::timestamp at time zone 'UTC') as since,
        uuidv7_floor((day + 1)::timestamp at time zone 'UTC') as till
    from pg_inherits i
    join pg_class c on c.oid = i.inhrelid
    cross join lateral (select to_date(right(c.relname, 8), 'YYYYMMDD') as day) d
    where i.inhparent = 'requests'::regclass and c.relname ~ '^requests_[0-9]{8}$'
),
made as (
    select
        batch_id, count(*) as all_of_them,
        count(*) filter (where state = 4) as completed,
        count(*) filter (where state = 3) as failed,
        count(*) filter (where state = 5) as canceled,
        coalesce(sum(cost), 0) as cost
    from requests
    where batch_id is not null
    group by batch_id
),
charged as (
    select batch_id, -sum(amount) as cost, count(*) as charges
    from ledger_entries
    where batch_id is not null
    group by batch_id
)
select b.id as batch_id, d.what, d.counted, d.found
from batches b
left join made m on m.batch_id = b.id
left join charged c on c.batch_id = b.id
cross join lateral (
    select
        b.deleted_at is null and not exists (
            select from (values (b.first_id), (b.last_id)) as ends (id)
            where exists (select from days where days.till > ends.id)
                and not exists (select from days where ends.id >= days.since and ends.id < days.till)
        ) as whole
) w
cross join lateral (
    values
        (true, 'cost in the ledger', b.cost, coalesce(c.cost, 0)),
        (true, 'charges', b.charges, coalesce(c.charges, 0)),
        (w.whole, 'cost in its rows', b.cost, coalesce(m.cost, 0)),
        (w.whole, 'completed requests', b.completed, coalesce(m.completed, 0)),
        (w.whole, 'failed requests', b.failed, coalesce(m.failed, 0)),
        -- Lines that were never made are cancelled with the others.
        (w.whole, 'canceled requests', b.canceled, coalesce(m.canceled, 0) + b.populated - coalesce(m.all_of_them, 0))
) as d (looked_at, what, counted, found)
where d.looked_at and d.counted <> d.found
order by 1, 2
limit $1;
