-- Who belongs to which organization. An organization is a row of `users`: account, owner of keys and of calls.

create table organization_members (
    organization_id uuid not null references users (id) on delete cascade,
    user_id uuid not null references users (id) on delete cascade,
    role text not null check (role in ('owner', 'admin', 'member')),
    created_at timestamptz not null default now(),
    primary key (organization_id, user_id)
);
create index organization_members_user_id_idx on organization_members (user_id);
