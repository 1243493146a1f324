-- name: list_users
-- Live people. $1 part of username, e-mail or display name or null, $2 to leave out, $3 to give.
select
    u.id, u.username, u.email, u.display_name, u.avatar_url, u.is_admin, u.created_at, u.updated_at, u.last_login,
    u.auth_source, u.external_user_id, u.user_type,
    (select array_agg(r.role order by r.role) from user_roles r where r.user_id = u.id) as roles,
    a.low_balance_threshold,
    count(*) over () as total
from users u
left join accounts a on a.id = u.id
where u.deleted_at is null and u.user_type = 'individual' and u.auth_source <> 'system'
    and (
        $1::text is null or strpos(lower(u.username), lower($1)) > 0 or strpos(lower(u.email), lower($1)) > 0
        or strpos(lower(u.display_name), lower($1)) > 0
    )
order by u.created_at desc, u.id
offset $2 limit $3;

-- name: count_users
select count(*) from users u
where u.deleted_at is null and u.user_type = 'individual' and u.auth_source <> 'system'
    and (
        $1::text is null or strpos(lower(u.username), lower($1)) > 0 or strpos(lower(u.email), lower($1)) > 0
        or strpos(lower(u.display_name), lower($1)) > 0
    );

-- name: get_user
select
    u.id, u.username, u.email, u.display_name, u.avatar_url, u.is_admin, u.created_at, u.updated_at, u.last_login,
    u.auth_source, u.external_user_id, u.user_type,
    (select array_agg(r.role order by r.role) from user_roles r where r.user_id = u.id) as roles,
    a.low_balance_threshold
from users u
left join accounts a on a.id = u.id
where u.id = $1 and u.deleted_at is null and u.auth_source <> 'system';

-- name: create_user
insert into users (id, username, email, display_name, avatar_url, password_hash, is_admin, auth_source)
values ($1, $2, $3, $4, $5, $6, $7, 'native');

-- name: set_roles
-- Exactly these roles.
with gone as (delete from user_roles where user_id = $1 and role <> all ($2::text[]))
insert into user_roles (user_id, role) select $1, unnest($2::text[]) on conflict do nothing;

-- name: update_user
-- $2 and $4 say whether display name ($3) and avatar ($5) change.
update users set
    display_name = case when $2::boolean then $3 else display_name end,
    avatar_url = case when $4::boolean then $5 else avatar_url end
where id = $1;

-- name: organizations
select o.id, o.username as name, m.role
from organization_members m
join users o on o.id = m.organization_id and o.deleted_at is null
where m.user_id = $1
order by o.username;

-- name: budgets
-- Those of accounts that have one.
select id, budget_amount, budget_period from users where id = any ($1::uuid[]) and budget_amount is not null;

-- name: set_budget
-- Whether it is another one than before.
update users set budget_amount = $2, budget_period = $3
where id = $1 and (budget_amount, budget_period) is distinct from ($2::numeric, $3::text)
returning id;

-- name: delete_user
-- The row stays for what it owns; everything personal goes.
update users set
    deleted_at = now(), username = 'deleted-' || id, email = 'deleted-' || id || '@deleted', display_name = null,
    avatar_url = null, password_hash = null, external_user_id = null, is_admin = false, sessions_valid_from = now()
where id = $1 and deleted_at is null
returning id;

-- name: delete_keys_of
update api_keys set deleted_at = now() where (user_id = $1 or created_by = $1) and deleted_at is null;

-- name: delete_memberships_of
with roles as (delete from user_roles where user_id = $1),
organizations as (delete from organization_members where user_id = $1 or organization_id = $1)
delete from user_groups where user_id = $1;

-- name: make_administrator
-- Writes only what is missing.
with role as (
    insert into user_roles (user_id, role) select $1, unnest($2::text[]) on conflict do nothing
)
update users set is_admin = true where id = $1 and not is_admin;
