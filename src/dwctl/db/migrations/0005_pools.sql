-- Models with several targets. A composite model has no endpoint; its components are standard models, whose endpoints
-- and upstream names are its targets.

alter table models
    add column is_composite boolean not null default false,
    add column lb_strategy text not null default 'weighted_random' check (lb_strategy in ('weighted_random', 'priority')),
    -- As the admin API shows it (routing/pool.py); null is the default.
    add column fallback jsonb,
    -- An object of header names and values that the answers of this model's target carry to the client.
    add column response_headers jsonb,
    add constraint models_endpoint_check check (is_composite = (endpoint_id is null));

create table model_components (
    id uuid primary key,
    pool_id uuid not null references models (id) on delete cascade,
    component_id uuid not null references models (id) on delete cascade,
    weight integer not null default 1 check (weight between 1 and 100),
    enabled boolean not null default true,
    sort_order integer not null default 0,
    created_at timestamptz not null default now(),
    constraint model_components_no_self_check check (pool_id <> component_id)
);
create unique index model_components_pair_key on model_components (pool_id, component_id);
create index model_components_component_id_idx on model_components (component_id);

-- Pools do not nest. Whether a model is composite never changes, so it is enough to look when a row is written.
create function check_model_component() returns trigger language plpgsql as $$
begin
    if not (select is_composite from models where id = new.pool_id)
        or (select is_composite from models where id = new.component_id) then
        raise exception 'a composite model consists of standard models' using errcode = 'check_violation';
    end if;
    return new;
end $$;
create trigger model_components_check before insert or update on model_components
    for each row execute function check_model_component();

-- A change of a component is a change of its pool; the listener finds the pools of a changed model itself.
create trigger model_components_notice_insert after insert on model_components referencing new table as new_rows
    for each statement execute function notify_routing('models', 'pool_id', '');
create trigger model_components_notice_delete after delete on model_components referencing old table as old_rows
    for each statement execute function notify_routing('models', 'pool_id', '');
create trigger model_components_notice_update after update on model_components
    referencing old table as old_rows new table as new_rows
    for each statement execute function notify_routing('models', 'pool_id', '');
