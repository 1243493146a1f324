-- name: list_tools
select
    id, kind, name, description, parameters, url, api_key_sealed is not null as has_api_key, timeout_secs, created_by,
    created_at, updated_at
from tool_sources
order by name;

-- name: get_tool
select
    id, kind, name, description, parameters, url, api_key_sealed is not null as has_api_key, timeout_secs, created_by,
    created_at, updated_at
from tool_sources
where id = $1;

-- name: create_tool
insert into tool_sources (id, name, description, parameters, url, timeout_secs, api_key_sealed, created_by)
values ($1, $2, $3, $4, $5, $6, $7, $8);

-- name: update_tool
-- $7 says whether the key ($8) changes.
update tool_sources set
    name = $2, description = $3, parameters = $4, url = $5, timeout_secs = $6,
    api_key_sealed = case when $7::boolean then $8 else api_key_sealed end
where id = $1
returning id;

-- name: delete_tool
delete from tool_sources where id = $1 returning id;

-- name: model_with
-- A model that has the tool.
select model_id from model_tool_sources where tool_source_id = $1 limit 1;

-- name: tools_of_model
select
    t.id, t.kind, t.name, t.description, t.parameters, t.url, t.api_key_sealed is not null as has_api_key,
    t.timeout_secs, t.created_by, t.created_at, t.updated_at
from model_tool_sources m
join tool_sources t on t.id = m.tool_source_id
where m.model_id = $1
order by t.name;

-- name: tools_of_group
select
    t.id, t.kind, t.name, t.description, t.parameters, t.url, t.api_key_sealed is not null as has_api_key,
    t.timeout_secs, t.created_by, t.created_at, t.updated_at
from group_tool_sources g
join tool_sources t on t.id = g.tool_source_id
where g.group_id = $1
order by t.name;

-- name: model_exists
select exists (select 1 from models where id = $1 and deleted_at is null);

-- name: group_exists
select exists (select 1 from groups where id = $1);

-- name: attach_to_model
insert into model_tool_sources (model_id, tool_source_id) values ($1, $2) on conflict do nothing returning model_id;

-- name: detach_from_model
delete from model_tool_sources where model_id = $1 and tool_source_id = $2 returning model_id;

-- name: attach_to_group
insert into group_tool_sources (group_id, tool_source_id) values ($1, $2) on conflict do nothing returning group_id;

-- name: detach_from_group
delete from group_tool_sources where group_id = $1 and tool_source_id = $2 returning group_id;
