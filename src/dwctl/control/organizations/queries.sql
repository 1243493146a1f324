-- name: list_organizations
-- Live ones. $1 part of name, e-mail or display name or null, $2 the caller, $3 whether only those of the caller, $4 to
-- leave out, $5 to give.
select
    o.id, o.username as name, o.email, o.display_name, o.created_at, o.updated_at, a.low_balance_threshold,
    (select count(*) from organization_members m where m.organization_id = o.id) as member_count,
    own.role, count(*) over () as total
from users o
left join accounts a on a.id = o.id
left join organization_members own on own.organization_id = o.id and own.user_id = $2
where o.deleted_at is null and o.user_type = 'organization' and (own.role is not null or not $3::boolean)
    and (
        $1::text is null or strpos(lower(o.username), lower($1)) > 0 or strpos(lower(o.email), lower($1)) > 0
        or strpos(lower(o.display_name), lower($1)) > 0
    )
order by o.created_at desc, o.id
offset $4 limit $5;

-- name: count_organizations
select count(*)
from users o
left join organization_members own on own.organization_id = o.id and own.user_id = $2
where o.deleted_at is null and o.user_type = 'organization' and (own.role is not null or not $3::boolean)
    and (
        $1::text is null or strpos(lower(o.username), lower($1)) > 0 or strpos(lower(o.email), lower($1)) > 0
        or strpos(lower(o.display_name), lower($1)) > 0
    );

-- name: get_organization
-- $2 is the caller.
select
    o.id, o.username as name, o.email, o.display_name, o.created_at, o.updated_at, a.low_balance_threshold,
    (select count(*) from organization_members m where m.organization_id = o.id) as member_count,
    own.role
from users o
left join accounts a on a.id = o.id
left join organization_members own on own.organization_id = o.id and own.user_id = $2
where o.id = $1 and o.deleted_at is null and o.user_type = 'organization';

-- name: create_organization
insert into users (id, username, email, display_name, user_type, auth_source)
values ($1, $2, $3, $4, 'organization', 'native');

-- name: update_organization
-- $2 and $4 say whether display name ($3) and e-mail ($5) change.
update users set
    display_name = case when $2::boolean then $3 else display_name end,
    email = case when $4::boolean then $5 else email end
where id = $1 and user_type = 'organization' and deleted_at is null;

-- name: lock_person
-- A live person, held so that nobody else counts their organizations meanwhile.
select id from users where id = $1 and deleted_at is null and user_type = 'individual' and auth_source <> 'system'
for no key update;

-- name: lock_organization
select id from users where id = $1 and deleted_at is null and user_type = 'organization' for no key update;

-- name: count_of_person
select count(*) from organization_members where user_id = $1;

-- name: add_member
-- No row when they belong to it already.
insert into organization_members (organization_id, user_id, role) values ($1, $2, $3)
on conflict do nothing
returning user_id;

-- name: get_role
select role from organization_members where organization_id = $1 and user_id = $2;

-- name: count_owners
select count(*) from organization_members where organization_id = $1 and role = 'owner';

-- name: set_role
update organization_members set role = $3 where organization_id = $1 and user_id = $2;

-- name: remove_member
delete from organization_members where organization_id = $1 and user_id = $2;

-- name: delete_keys_of_member
-- Keys of the organization that a member made, hidden ones too.
update api_keys set deleted_at = now() where user_id = $1 and created_by = $2 and deleted_at is null;

-- name: list_members
select m.user_id, u.username, u.email, u.display_name, u.avatar_url, m.role, m.created_at
from organization_members m
join users u on u.id = m.user_id and u.deleted_at is null
where m.organization_id = $1
order by m.created_at, m.user_id;

-- name: keys_of_member
-- Live keys of the organization that a member made, hidden ones too.
select id from api_keys where user_id = $1 and created_by = $2 and deleted_at is null;
