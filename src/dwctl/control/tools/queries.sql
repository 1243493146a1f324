-- part: sources
-- What is shown of them: whether there is a key, not which; and how many have it, models that are deleted not among them.
select
    t.id, t.kind, t.name, t.description, t.parameters, t.url, t.api_key_sealed is not null as has_api_key,
    t.timeout_secs, t.created_by, t.created_at, t.updated_at,
    (
        select count(*) from model_tool_sources n join models m on m.id = n.model_id
        where n.tool_source_id = t.id and m.deleted_at is null
    ) as model_count,
    (select count(*) from group_tool_sources n where n.tool_source_id = t.id) as group_count
from tool_sources t

-- name: list_tools
{{sources}}
order by t.name;

-- name: get_tool
{{sources}}
where t.id = $1;

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
{{sources}}
join model_tool_sources a on a.tool_source_id = t.id
where a.model_id = $1
order by t.name;

-- name: tools_of_group
{{sources}}
join group_tool_sources a on a.tool_source_id = t.id
where a.group_id = $1
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
