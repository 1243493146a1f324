-- name: list_groups
-- $1 part of the name or null, $2 to leave out, $3 to give. Everyone comes last.
select id, name, description, created_by, created_at, updated_at, source, count(*) over () as total
from groups
where $1::text is null or strpos(lower(name), lower($1)) > 0 or strpos(lower(description), lower($1)) > 0
order by id = '00000000-0000-0000-0000-000000000000', created_at desc, id
offset $2 limit $3;

-- name: count_groups
select count(*) from groups
where $1::text is null or strpos(lower(name), lower($1)) > 0 or strpos(lower(description), lower($1)) > 0;

-- name: get_group
select id, name, description, created_by, created_at, updated_at, source from groups where id = $1;

-- name: create_group
insert into groups (id, name, description, created_by) values ($1, $2, $3, $4)
returning id, name, description, created_by, created_at, updated_at, source;

-- name: update_group
-- $2 and $4 say whether name ($3) and description ($5) change.
update groups set
    name = case when $2::boolean then $3 else name end,
    description = case when $4::boolean then $5 else description end
where id = $1
returning id, name, description, created_by, created_at, updated_at, source;

-- name: delete_group
delete from groups where id = $1 returning id;

-- name: touched_by
-- A member or a model of a group, as notices name it.
select 'users' as noun, user_id as id from user_groups where group_id = $1
union all
select 'models', model_id from model_groups where group_id = $1
limit 1;

-- name: groups_of_users
-- The groups of each account, Everyone last.
select u.id as user_id, g.id, g.name, g.description, g.created_by, g.created_at, g.updated_at, g.source
from unnest($1::uuid[]) as u (id)
join groups g
    on g.id = '00000000-0000-0000-0000-000000000000'
    or exists (select 1 from user_groups m where m.user_id = u.id and m.group_id = g.id)
order by g.id = '00000000-0000-0000-0000-000000000000', g.name;

-- name: members_of
-- Members of groups; of Everyone all live accounts but the system's.
select m.group_id, u.id, u.username, u.email, u.display_name, u.avatar_url
from (
    select group_id, user_id from user_groups where group_id = any ($1)
    union all
    select '00000000-0000-0000-0000-000000000000'::uuid, id from users
    where '00000000-0000-0000-0000-000000000000'::uuid = any ($1)
) as m
join users u on u.id = m.user_id and u.deleted_at is null and u.auth_source <> 'system'
order by m.group_id, u.id;

-- name: models_of
select g.group_id, m.id, m.alias, m.model_name, m.display_name, m.type
from model_groups g
join models m on m.id = g.model_id and m.deleted_at is null
where g.group_id = any ($1)
order by g.group_id, m.id;

-- name: groups_of_model
select group_id from model_groups where model_id = $1 order by 1;

-- name: user_exists
select exists (select 1 from users where id = $1 and deleted_at is null and auth_source <> 'system');

-- name: model_exists
select exists (select 1 from models where id = $1 and deleted_at is null);

-- name: add_user
insert into user_groups (user_id, group_id) values ($1, $2) on conflict do nothing returning group_id;

-- name: remove_user
delete from user_groups where user_id = $1 and group_id = $2 returning group_id;

-- name: add_model
insert into model_groups (model_id, group_id, granted_by) values ($1, $2, $3) on conflict do nothing returning group_id;

-- name: remove_model
delete from model_groups where model_id = $1 and group_id = $2 returning group_id;
