-- name: insert_conversation
insert into conversations (id, owner_id, creator_id, metadata) values ($1, $2, $3, $4);

-- name: get_conversation
-- row: dwctl.engine.conversations.store:ConversationRow
select id, metadata, last_entry, created_at from conversations where id = $1 and owner_id = $2;

-- name: update_conversation
-- row: dwctl.engine.conversations.store:ConversationRow
update conversations set metadata = $3 where id = $1 and owner_id = $2
returning id, metadata, last_entry, created_at;

-- name: delete_conversation
-- Its entries go with it; the responses in it stay.
delete from conversations where id = $1 and owner_id = $2 returning id;

-- name: make_room
-- Room for $3 more entries; gives the number of the last one. Null when there is no such conversation.
update conversations set last_entry = last_entry + $3 where id = $1 and owner_id = $2 returning last_entry;

-- name: add_items
-- Items $3 with the ids $2, behind the entry $4.
insert into conversation_items (conversation_id, entry, item_id, item)
select $1, $4 + number, item_id, item
from unnest($2::text[], $3::bytea[]) with ordinality as t (item_id, item, number);

-- name: enter_response
-- The response $3 is the next entry, if the last one is still $4: nobody has added one since the conversation was read.
-- Gives its number, null when somebody has or the conversation is gone.
with room as (
    update conversations set last_entry = last_entry + 1
    where id = $1 and owner_id = $2 and last_entry = $4
    returning last_entry
)
insert into conversation_items (conversation_id, entry, response_id)
select $1, last_entry, $3 from room
returning entry;

-- name: leave_response
-- The call did not begin. One that did stays.
delete from conversation_items i
where i.conversation_id = $1 and i.response_id = $2 and not exists (select from requests r where r.id = $2);

-- name: entry_of_response
select entry from conversation_items where conversation_id = $1 and response_id = $2;

-- name: newest_entries
-- Before the entry $2, the newest first, at most $3.
-- row: dwctl.engine.conversations.store:Entry
select entry, item_id, item, response_id, removed, created_at
from conversation_items
where conversation_id = $1 and entry < $2
order by entry desc
limit $3;

-- name: oldest_entries
-- Behind the entry $2, the oldest first, at most $3.
-- row: dwctl.engine.conversations.store:Entry
select entry, item_id, item, response_id, removed, created_at
from conversation_items
where conversation_id = $1 and entry > $2
order by entry
limit $3;

-- name: bytes_of_items
-- Of items before the entry $2.
select coalesce(sum(octet_length(item)), 0)::bigint from conversation_items where conversation_id = $1 and entry < $2;

-- name: entry_of_item
-- row: dwctl.engine.conversations.store:Entry
select entry, item_id, item, response_id, removed, created_at
from conversation_items
where conversation_id = $1 and item_id = $2;

-- name: item_of_account
-- An item of any conversation of the account $2.
select i.item
from conversation_items i
join conversations c on c.id = i.conversation_id
where i.item_id = $1 and c.owner_id = $2;

-- name: remove_item
delete from conversation_items where conversation_id = $1 and entry = $2 and item_id is not null;

-- name: remove_of_response
update conversation_items set removed = array_append(removed, $3)
where conversation_id = $1 and entry = $2 and response_id is not null and not removed @> array[$3];

-- name: clear_lost
-- Entries of responses whose day was dropped, at most $1: nothing can be read of them any more.
delete from conversation_items
where response_id in (
    select i.response_id
    from conversation_items i
    where i.response_id < (
            select uuidv7_floor(min(to_date(right(c.relname, 8), 'YYYYMMDD'))::timestamp at time zone 'UTC')
            from pg_inherits p
            join pg_class c on c.oid = p.inhrelid
            where p.inhparent = 'requests'::regclass and c.relname ~ '^requests_[0-9]{8}$'
        )
        and not exists (select from requests r where r.id = i.response_id)
    limit $1
);

-- name: clear_unbegun
-- Entries of a conversation whose calls have not begun within $2 seconds, and never will.
delete from conversation_items i
where i.conversation_id = $1 and i.response_id is not null and i.created_at < now() - make_interval(secs => $2)
    and not exists (select from requests r where r.id = i.response_id);
