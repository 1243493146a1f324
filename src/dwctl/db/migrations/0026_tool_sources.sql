-- Tools that the gateway runs for models: what they are, and where they may be used. A call has those that are attached
-- to the model it asks for and to a group of its account, Everyone not among them.

create table tool_sources (
    id uuid primary key,
    kind text not null default 'http' check (kind in ('http')),
    name text not null,
    description text,
    -- A JSON Schema of the arguments; null takes any object.
    parameters jsonb,
    url text not null,
    api_key_sealed bytea,
    timeout_secs integer not null default 30 check (timeout_secs > 0),
    created_by uuid not null references users (id),
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);
create unique index tool_sources_name_key on tool_sources (name);

create table model_tool_sources (
    model_id uuid not null references models (id) on delete cascade,
    tool_source_id uuid not null references tool_sources (id) on delete cascade,
    created_at timestamptz not null default now(),
    primary key (model_id, tool_source_id)
);
create index model_tool_sources_source_idx on model_tool_sources (tool_source_id);

create table group_tool_sources (
    group_id uuid not null references groups (id) on delete cascade,
    tool_source_id uuid not null references tool_sources (id) on delete cascade,
    created_at timestamptz not null default now(),
    primary key (group_id, tool_source_id)
);
create index group_tool_sources_source_idx on group_tool_sources (tool_source_id);

-- One row for each time that a tool was called; written with its request's record, in the order in which calls ended.
create table tool_calls (
    request_id uuid not null,
    attempt smallint not null,
    number smallint not null,
    -- The source may be gone.
    tool_source_id uuid not null,
    name text not null,
    -- `ok`, or why it failed (gateway/tools/run.py).
    outcome text not null,
    latency_ms real not null,
    ended_at timestamptz not null,
    primary key (request_id, attempt, number)
);

create trigger tool_sources_updated_at before update on tool_sources
    for each row execute function set_updated_at();

create trigger model_tool_sources_notice_insert after insert on model_tool_sources referencing new table as new_rows
    for each statement execute function notify_routing('models', 'model_id', '');
create trigger model_tool_sources_notice_delete after delete on model_tool_sources referencing old table as old_rows
    for each statement execute function notify_routing('models', 'model_id', '');

-- What changes of a tool, or of the groups that have it, is read again with the models that have it.
create function notify_tool_sources() returns trigger language plpgsql as $$
declare
    id_column constant text := tg_argv[0];
    transition constant text := case tg_op when 'DELETE' then 'old_rows' else 'new_rows' end;
    models text[];
    changed text;
begin
    execute format(
        'select array_agg(distinct m.model_id::text) from model_tool_sources m join %I c on c.%I = m.tool_source_id',
        transition, id_column
    ) into models;
    if array_length(models, 1) > 100 then
        perform pg_notify('routing', 'models:*');
    elsif models is not null then
        foreach changed in array models loop
            perform pg_notify('routing', 'models:' || changed);
        end loop;
    end if;
    return null;
end $$;

create trigger tool_sources_notice_update after update on tool_sources
    referencing old table as old_rows new table as new_rows
    for each statement execute function notify_tool_sources('id');
create trigger group_tool_sources_notice_insert after insert on group_tool_sources referencing new table as new_rows
    for each statement execute function notify_tool_sources('tool_source_id');
create trigger group_tool_sources_notice_delete after delete on group_tool_sources referencing old table as old_rows
    for each statement execute function notify_tool_sources('tool_source_id');
