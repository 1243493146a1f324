-- Every call is one row. Ids are UUIDv7, so both tables are partitioned by ranges of ids, one day each, and
-- retention drops partitions; an id that a caller made up falls into the default partition.

create table daemons (
    id uuid primary key,
    kind text not null,
    hostname text not null,
    pid integer not null,
    version text not null,
    -- Which data directory (and so which spool) the process owns: its successor there inherits its calls.
    installation_id uuid not null,
    started_at timestamptz not null default now(),
    last_heartbeat timestamptz not null default now(),
    stopped_at timestamptz,
    config jsonb not null default '{}',
    stats jsonb not null default '{}'
);

-- state: 0 pending, 1 claimed, 2 processing, 3 failed, 4 completed, 5 canceled (requests/record.py)
create table requests (
    id uuid not null primary key,
    attempt smallint not null default 1,
    state smallint not null check (state between 0 and 5),
    stream boolean not null default false,
    background boolean not null default false,
    status_code smallint,
    upstream_status smallint,
    created_at timestamptz not null,
    completed_at timestamptz,
    owner_id uuid not null,
    creator_id uuid not null,
    key_id uuid,
    daemon_id uuid,
    endpoint_id uuid,
    path text not null,
    model text not null,
    target_model text,
    response_model text,
    purpose text not null,
    origin text not null,
    service_tier text not null,
    first_byte_ms real,
    duration_ms real,
    overhead_ms real,
    prompt_tokens integer,
    completion_tokens integer,
    reasoning_tokens integer,
    cached_tokens integer,
    total_tokens integer,
    request_size integer not null default 0,
    response_size integer,
    finish_reason text,
    error_code text,
    error_message text,
    user_agent text
) partition by range (id);
create table requests_default partition of requests default;
create index requests_owner_idx on requests (owner_id, id);
-- Calls in flight: few at any moment, so the index stays small; a dead process's calls are found here.
create index requests_live_idx on requests (daemon_id) where state < 3;

create table request_bodies (
    id uuid not null primary key,
    request bytea,
    response bytea
) partition by range (id);
create table request_bodies_default partition of request_bodies default;

-- The least UUIDv7 of a moment.
create function uuidv7_floor(moment timestamptz) returns uuid language sql immutable strict as $$
    select (lpad(to_hex((extract(epoch from moment) * 1000)::bigint), 12, '0') || '70008000000000000000')::uuid
$$;

-- Make the daily partitions that hold ids of [first, first + days). Repeatable.
create function ensure_request_partitions(first date, days integer) returns integer language plpgsql as $$
declare
    day date;
    parent text;
    child text;
    made integer := 0;
begin
    -- Processes that start at the same moment make each partition once; freed with the transaction.
    perform pg_advisory_xact_lock(hashtext('ensure_request_partitions'));
    for i in 0 .. days - 1 loop
        day := first + i;
        foreach parent in array array['requests', 'request_bodies'] loop
            child := parent || to_char(day, '"_"YYYYMMDD');
            if to_regclass(child) is null then
                execute format(
                    'create table %I partition of %I for values from (%L) to (%L)', child, parent,
                    uuidv7_floor(day::timestamp at time zone 'UTC'), uuidv7_floor((day + 1)::timestamp at time zone 'UTC')
                );
                made := made + 1;
            end if;
        end loop;
    end loop;
    return made;
end $$;
