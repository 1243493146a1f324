-- What a model's callers may be told by the purpose of their key, and what a key is good for.

create table model_traffic_rules (
    id uuid primary key default gen_random_uuid(),
    model_id uuid not null references models (id) on delete cascade,
    purpose text not null check (purpose in ('realtime', 'batch', 'playground')),
    action text not null check (action in ('deny', 'redirect')),
    -- Null when the target is gone for good: the rule stays and leads nowhere, for without it calls would pass.
    target_id uuid references models (id) on delete set null,
    constraint model_traffic_rules_target_check check (action = 'redirect' or target_id is null),
    constraint model_traffic_rules_no_self_check check (target_id is distinct from model_id)
);
create unique index model_traffic_rules_purpose_key on model_traffic_rules (model_id, purpose);
create index model_traffic_rules_target_id_idx on model_traffic_rules (target_id);

-- A rule is a part of its model. That a changed target concerns the models that lead to it, the reader finds out.
create trigger model_traffic_rules_notice_insert after insert on model_traffic_rules
    referencing new table as new_rows
    for each statement execute function notify_routing('models', 'model_id', '');
create trigger model_traffic_rules_notice_delete after delete on model_traffic_rules
    referencing old table as old_rows
    for each statement execute function notify_routing('models', 'model_id', '');
create trigger model_traffic_rules_notice_update after update on model_traffic_rules
    referencing old table as old_rows new table as new_rows
    for each statement execute function notify_routing('models', 'model_id', '');

-- Null allows everything that the key's account may use, from everywhere.
alter table api_keys
    add column allowed_models text[] check (cardinality(allowed_models) > 0),
    add column allowed_cidrs cidr[] check (cardinality(allowed_cidrs) > 0);
