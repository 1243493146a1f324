-- Accounts, groups, keys, endpoints and models: who may ask, and for what.
-- Names follow the glossary; public JSON names are mapped in control/*/structs.py.

create table system_config (
    key text primary key,
    value jsonb not null,
    updated_at timestamptz not null default now()
);

create table users (
    id uuid primary key,
    username text not null,
    email text not null,
    display_name text,
    avatar_url text,
    auth_source text not null default 'native',
    external_user_id text,
    user_type text not null default 'individual' check (user_type in ('individual', 'organization')),
    is_admin boolean not null default false,
    is_internal boolean not null default false,
    password_hash text,
    -- Sessions signed before this moment are no longer accepted: set by logout-everywhere and password changes.
    sessions_valid_from timestamptz not null default to_timestamp(0),
    last_login timestamptz,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    deleted_at timestamptz
);
create unique index users_username_key on users (username);
create unique index users_email_key on users (lower(email)) where user_type = 'individual' and deleted_at is null;
create unique index users_external_user_id_key on users (external_user_id) where external_user_id is not null;

create table user_roles (
    user_id uuid not null references users (id) on delete cascade,
    role text not null check (role in (
        'StandardUser', 'PlatformManager', 'RequestViewer', 'BillingManager', 'BatchAPIUser', 'ConnectionsUser'
    )),
    primary key (user_id, role)
);

create table groups (
    id uuid primary key,
    name text not null,
    description text,
    source text not null default 'native',
    created_by uuid not null references users (id),
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);
create unique index groups_name_key on groups (name);

create table user_groups (
    user_id uuid not null references users (id) on delete cascade,
    group_id uuid not null references groups (id) on delete cascade,
    created_at timestamptz not null default now(),
    primary key (user_id, group_id)
);
create index user_groups_group_id_idx on user_groups (group_id);

create table api_keys (
    id uuid primary key,
    -- SHA-256 of the secret: 32 random bytes need no salt and no slow hash, and the gateway looks it up by equality.
    secret_hash bytea not null check (length(secret_hash) = 32),
    secret_prefix text not null,
    name text not null,
    description text,
    purpose text not null check (purpose in ('realtime', 'platform', 'batch', 'playground')),
    user_id uuid not null references users (id),
    created_by uuid not null references users (id),
    hidden boolean not null default false,
    requests_per_second real check (requests_per_second > 0),
    burst_size integer check (burst_size > 0),
    expires_at timestamptz,
    last_used timestamptz,
    created_at timestamptz not null default now(),
    deleted_at timestamptz
);
create unique index api_keys_secret_hash_key on api_keys (secret_hash);
create unique index api_keys_name_key on api_keys (user_id, created_by, name) where deleted_at is null and not hidden;
create unique index api_keys_hidden_key on api_keys (user_id, created_by, purpose) where deleted_at is null and hidden;

create table endpoints (
    id uuid primary key,
    name text not null,
    description text,
    url text not null,
    -- Sealed with the secret key (core/seal.py); never stored or logged in clear.
    api_key_sealed bytea,
    auth_header_name text not null default 'Authorization',
    auth_header_prefix text not null default 'Bearer ',
    model_filter text[],
    created_by uuid not null references users (id),
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);
create unique index endpoints_name_key on endpoints (name);

create table models (
    id uuid primary key,
    alias text not null check (btrim(alias) <> ''),
    model_name text not null,
    display_name text,
    description text,
    type text not null default 'CHAT' check (type in ('CHAT', 'EMBEDDINGS', 'RERANKER')),
    capabilities text[] not null default '{}',
    endpoint_id uuid references endpoints (id) on delete cascade,
    status text not null default 'active' check (status in ('active', 'inactive')),
    metadata jsonb,
    last_sync timestamptz,
    created_by uuid not null references users (id),
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    deleted_at timestamptz
);
-- Unlike the reference, the alias of a deleted model can be used again.
create unique index models_alias_key on models (alias) where deleted_at is null;
create index models_endpoint_id_idx on models (endpoint_id);

create table model_groups (
    model_id uuid not null references models (id) on delete cascade,
    group_id uuid not null references groups (id) on delete cascade,
    granted_by uuid references users (id),
    created_at timestamptz not null default now(),
    primary key (model_id, group_id)
);
create index model_groups_group_id_idx on model_groups (group_id);

-- The system account and the Everyone group: nil ids, virtual membership, never edited.
insert into users (id, username, email, auth_source, is_internal)
values ('00000000-0000-0000-0000-000000000000', 'system', 'system@localhost', 'system', true);
insert into groups (id, name, description, source, created_by)
values (
    '00000000-0000-0000-0000-000000000000', 'Everyone', 'Every account belongs to this group.', 'native',
    '00000000-0000-0000-0000-000000000000'
);

create function set_updated_at() returns trigger language plpgsql as $$
begin
    new.updated_at := now();
    return new;
end $$;
create trigger users_updated_at before update on users for each row execute function set_updated_at();
create trigger groups_updated_at before update on groups for each row execute function set_updated_at();
create trigger endpoints_updated_at before update on endpoints for each row execute function set_updated_at();
create trigger models_updated_at before update on models for each row execute function set_updated_at();
