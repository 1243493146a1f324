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

-- A response of an account, the one that it goes on from, and so on, the newest first. A hint where bodies are no clean
-- JSON: whoever reads the last body sees for itself whether it names another one.
create function response_chain(head uuid, an_owner uuid, most integer, most_bytes bigint)
returns table (id uuid, size bigint) language plpgsql stable as $$
declare
    place uuid := head;
    asked bytea;
    answered bigint;
    total bigint := 0;
begin
    for i in 1 .. most loop
        exit when place is null;
        select
            coalesce(c.request, b.request, b.large_request, l.body),
            coalesce(octet_length(c.response), octet_length(b.response), octet_length(b.large_response), 0)
        into asked, answered
        from requests r
        left join request_bodies b on b.id = r.id
        left join contents c on c.id = r.id
        left join batches t on t.id = r.batch_id
        left join file_lines l on l.file_id = t.file_id and l.line = r.line
        where r.id = place and r.owner_id = an_owner and t.deleted_at is null;
        exit when not found;
        id := place;
        size := answered + coalesce(octet_length(asked), 0);
        return next;
        total := total + size;
        exit when total > most_bytes or asked is null or position('"previous_response_id"'::bytea in asked) = 0;
        begin
            place := replace(convert_from(asked, 'UTF8')::json ->> 'previous_response_id', 'resp_', '')::uuid;
        exception when others then
            place := null;
        end;
    end loop;
end $$;
