-- name: list_keys
-- Live, shown keys of an account. $2 to leave out, $3 to give, $4 who made them, null for anybody.
select
    k.id, k.name, k.description, k.purpose, k.user_id, k.created_by, k.created_at, k.expires_at, k.last_used,
    k.secret_prefix, k.requests_per_second::numeric::float8 as requests_per_second, k.burst_size,
    k.requests_per_minute, k.tokens_per_minute, k.max_concurrent,
    k.allowed_models, k.allowed_cidrs::text[] as allowed_cidrs,
    k.budget_amount, k.budget_period, k.budget_ceiling,
    count(*) over () as total
from api_keys k
where k.user_id = $1 and k.deleted_at is null and not k.hidden and ($4::uuid is null or k.created_by = $4)
order by k.created_at desc, k.id
offset $2 limit $3;

-- name: count_keys
select count(*) from api_keys
where user_id = $1 and deleted_at is null and not hidden and ($2::uuid is null or created_by = $2);

-- name: get_key
select
    k.id, k.name, k.description, k.purpose, k.user_id, k.created_by, k.created_at, k.expires_at, k.last_used,
    k.secret_prefix, k.requests_per_second::numeric::float8 as requests_per_second, k.burst_size,
    k.requests_per_minute, k.tokens_per_minute, k.max_concurrent,
    k.allowed_models, k.allowed_cidrs::text[] as allowed_cidrs,
    k.budget_amount, k.budget_period, k.budget_ceiling
from api_keys k
where k.id = $2 and k.user_id = $1 and k.deleted_at is null and not k.hidden;

-- name: create_key
insert into api_keys (
    id, secret_hash, secret_prefix, name, description, purpose, user_id, created_by, expires_at, requests_per_second,
    burst_size, requests_per_minute, tokens_per_minute, max_concurrent, allowed_models, allowed_cidrs,
    budget_amount, budget_period, budget_ceiling
)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19);

-- name: lock_budget
-- The budget of a key that somebody is about to change.
select budget_amount, budget_period, budget_ceiling from api_keys
where id = $2 and user_id = $1 and deleted_at is null and not hidden
for update;

-- name: set_budget
update api_keys set budget_amount = $2, budget_period = $3, budget_ceiling = $4 where id = $1;

-- name: delete_key
update api_keys set deleted_at = now()
where id = $2 and user_id = $1 and deleted_at is null and not hidden
returning id;

-- name: models_of_account
-- Models that an account may use.
select m.id from models m
where m.deleted_at is null and m.status = 'active'
    and exists (
        select 1 from model_groups g
        where g.model_id = m.id
            and (
                g.group_id = '00000000-0000-0000-0000-000000000000'
                or g.group_id in (select group_id from user_groups where user_id = $1)
            )
    )
order by m.alias;

-- name: account
-- A live account: whether an administrator's, what it is, and the place of $2 in it, if it is an organization.
select
    u.is_admin, u.user_type = 'organization' as is_organization,
    (select m.role from organization_members m where m.organization_id = u.id and m.user_id = $2) as role
from users u
where u.id = $1 and u.deleted_at is null and u.auth_source <> 'system';

-- name: hold_membership
-- That $2 belongs to the organization $1, to the end of the transaction.
select role from organization_members where organization_id = $1 and user_id = $2 for share;
