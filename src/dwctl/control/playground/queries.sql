-- name: find_playground_key
select secret_hash from api_keys
where user_id = $1 and created_by = $1 and purpose = 'playground' and hidden and deleted_at is null;

-- name: create_playground_key
-- No row comes back when somebody else was faster.
insert into api_keys (id, secret_hash, secret_prefix, name, purpose, user_id, created_by, hidden)
values ($1, $2, $3, 'playground', 'playground', $4, $4, true)
on conflict (user_id, created_by, purpose) where deleted_at is null and hidden do nothing
returning id;
