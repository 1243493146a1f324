-- What the gateway does to the answers of a model on their way to clients (routing/snapshot.py). The notices of
-- 0002_routing_notices.sql tell of every column of models that they do not name.

alter table models
    add column sanitize_responses boolean not null default false,
    add column trusted boolean not null default false,
    -- Null is the contract's default, which counts as true.
    add column open_responses_adapter boolean;
