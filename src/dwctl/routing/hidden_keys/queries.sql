-- name: find_hidden_key
-- The one of account $1, person $2 and purpose $3.
select id, secret_hash from api_keys
where user_id = $1 and created_by = $2 and purpose = $3 and hidden and deleted_at is null;

-- name: create_hidden_key
-- No row comes back when somebody else was faster.
insert into api_keys (id, secret_hash, secret_prefix, name, purpose, user_id, created_by, hidden)
values ($1, $2, $3, $6, $6, $4, $5, true)
on conflict (user_id, created_by, purpose) where deleted_at is null and hidden do nothing
returning id;
