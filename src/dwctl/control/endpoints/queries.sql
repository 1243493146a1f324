-- name: list_endpoints
select
    id, name, description, url, model_filter, api_key_sealed is not null as requires_api_key, auth_header_name,
    auth_header_prefix, created_by, created_at, updated_at, requests_per_second, burst_size, requests_per_minute,
    tokens_per_minute, max_concurrent, timeouts
from endpoints
order by created_at, id;

-- name: get_endpoint
select
    id, name, description, url, model_filter, api_key_sealed is not null as requires_api_key, auth_header_name,
    auth_header_prefix, created_by, created_at, updated_at, requests_per_second, burst_size, requests_per_minute,
    tokens_per_minute, max_concurrent, timeouts
from endpoints
where id = $1;

-- name: find_endpoint_by_url
select id from endpoints where url = $1 order by created_at limit 1;

-- name: get_credential
select url, api_key_sealed, auth_header_name, auth_header_prefix from endpoints where id = $1;

-- name: create_endpoint
insert into endpoints (
    id, name, description, url, api_key_sealed, auth_header_name, auth_header_prefix, model_filter,
    requests_per_second, burst_size, requests_per_minute, tokens_per_minute, max_concurrent, timeouts,
    created_by
)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15);

-- name: update_endpoint
update endpoints set
    name = $2, description = $3, url = $4, api_key_sealed = $5, auth_header_name = $6, auth_header_prefix = $7,
    model_filter = $8, requests_per_second = $9, burst_size = $10, requests_per_minute = $11, tokens_per_minute = $12,
    max_concurrent = $13, timeouts = $14
where id = $1;

-- name: delete_endpoint
delete from endpoints where id = $1 returning id;

-- name: list_endpoint_models
-- All models of an endpoint, deleted ones too: a model that a person deleted is not made again.
select id, alias, model_name, status, deleted_at is not null as deleted from models where endpoint_id = $1;

-- name: taken_aliases
select alias from models where alias = any ($1) and deleted_at is null and id <> all ($2);

-- name: lock_endpoint
-- Synchronizations of one endpoint take turns. No row when it is not there any more.
select id from endpoints where id = $1 for update;

-- name: create_model
insert into models (id, alias, model_name, display_name, description, type, endpoint_id, last_sync, created_by)
values ($1, $2, $3, $4, $5, $6, $7, now(), $8);

-- name: open_models
insert into model_groups (model_id, group_id, granted_by) select unnest($1::uuid[]), $2, $3;

-- name: set_model_status
update models set status = $2, last_sync = now() where id = any ($1) and status <> $2;

-- name: rename_model
update models set alias = $2 where id = $1;
