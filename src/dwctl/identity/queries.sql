-- name: get_account
-- A live person by id.
-- row: dwctl.identity.store:Account
select
    u.id, u.email, u.is_admin, u.password_hash, u.sessions_valid_from,
    (select array_agg(r.role order by r.role) from user_roles r where r.user_id = u.id) as roles
from users u
where u.id = $1 and u.deleted_at is null and u.user_type = 'individual' and u.auth_source <> 'system';

-- name: find_account
-- A live person by e-mail, in any case of letters.
-- row: dwctl.identity.store:Account
select
    u.id, u.email, u.is_admin, u.password_hash, u.sessions_valid_from,
    (select array_agg(r.role order by r.role) from user_roles r where r.user_id = u.id) as roles
from users u
where lower(u.email) = lower($1) and u.deleted_at is null and u.user_type = 'individual' and u.auth_source <> 'system';

-- name: get_key_by_hash
-- A live key of live accounts.
-- row: dwctl.identity.store:KeyAccount
select k.id, k.purpose, k.user_id, k.created_by, k.allowed_cidrs
from api_keys k
join users o on o.id = k.user_id and o.deleted_at is null
join users c on c.id = k.created_by and c.deleted_at is null
where k.secret_hash = $1 and k.deleted_at is null and (k.expires_at is null or k.expires_at > now());

-- name: role_in
-- Of a person in a live organization.
select m.role
from organization_members m
join users o on o.id = m.organization_id and o.deleted_at is null and o.user_type = 'organization'
where m.organization_id = $1 and m.user_id = $2;

-- name: set_password
-- A new password ends every session signed before $3, a moment of the clock that signs them.
update users set password_hash = $2, sessions_valid_from = $3 where id = $1;

-- name: note_login
-- At most every five minutes, so that reading does not write.
update users set last_login = now()
where id = $1 and (last_login is null or last_login < now() - interval '5 minutes');

-- name: note_key_use
-- Keys $1 were used last at the unix times $2. Locked in the order of ids: several processes write at once.
with used as (
    select k.id, to_timestamp(u.seconds) as at
    from unnest($1::text[], $2::float8[]) as u (id, seconds)
    join api_keys k on k.id = u.id::uuid
    where k.last_used is null or k.last_used < to_timestamp(u.seconds)
    order by k.id
    for update of k
)
update api_keys k set last_used = used.at from used where k.id = used.id;
