-- Conversations, and how a response leads to the one that it goes on from. Decision 0038 has the whole picture.

create table conversations (
    id uuid primary key,
    owner_id uuid not null,
    creator_id uuid not null,
    metadata jsonb not null default '{}',
    -- The number of its last entry. Whoever adds one raises it, so that entries have one order.
    last_entry bigint not null default 0,
    created_at timestamptz not null default now()
);

-- What is in a conversation, in order: an item that somebody put there, or a response whose items are read from its row.
create table conversation_items (
    conversation_id uuid not null references conversations (id) on delete cascade,
    entry bigint not null,
    -- Of an item: its public id, such as msg_<uuid>, and its JSON.
    item_id text,
    item bytea,
    -- Of a response: its row in requests. There is no such row before the call has begun, nor after its day was dropped.
    response_id uuid,
    -- Of a response: ids of its items that somebody has taken out.
    removed text[] not null default '{}',
    created_at timestamptz not null default now(),
    primary key (conversation_id, entry),
    check ((response_id is null) = (item is not null) and (item is null) = (item_id is null))
);
create unique index conversation_items_item_idx on conversation_items (item_id) where item_id is not null;
create unique index conversation_items_response_idx on conversation_items (response_id) where response_id is not null;

-- The response that a call goes on from, as its body says. A hint: null where the body is no JSON to PostgreSQL. Whoever reads
-- the body sees for itself.
create function previous_response_of(asked bytea) returns uuid language plpgsql immutable as $$
begin
    if asked is null or position('"previous_response_id"'::bytea in asked) = 0 then
        return null;
    end if;
    return replace(convert_from(asked, 'UTF8')::json ->> 'previous_response_id', 'resp_', '')::uuid;
exception when others then
    return null;
end $$;
