-- The event logs of background streams. Decision 0039 has the whole picture.
--
-- What a client of `background: true, stream: true` is shown, in pieces of whole events as they went out, numbered without
-- gaps. The first two events and the last one are not here: they are made from the call's row. Written by the process
-- that holds the call, in the attempt in which it holds it; since a call of which something is here is never tried
-- again, all pieces of an id are of one attempt.

create table response_events (
    id uuid not null,
    attempt smallint not null,
    -- The numbers of its first and last event.
    first integer not null,
    last integer not null check (last >= first),
    events bytea not null,
    -- What follows a number is one range of this index.
    primary key (id, last)
) partition by range (id);
create table response_events_default partition of response_events default;

-- Events have the same days as requests.
create or replace function ensure_request_partitions(first date, days integer) returns integer language plpgsql as $$
declare
    day date;
    parent text;
    child text;
    since uuid;
    till uuid;
    made integer := 0;
begin
    -- Processes that start at the same moment make each partition once; freed with the transaction.
    perform pg_advisory_xact_lock(hashtext('ensure_request_partitions'));
    for i in 0 .. days - 1 loop
        day := first + i;
        foreach parent in array array['requests', 'request_bodies', 'contents', 'response_events'] loop
            child := parent || to_char(day, '"_"YYYYMMDD');
            if to_regclass(child) is null then
                since := uuidv7_floor(day::timestamp at time zone 'UTC');
                till := uuidv7_floor((day + 1)::timestamp at time zone 'UTC');
                -- An id that a caller made up may lie in a day to come, in the default partition: it moves.
                execute format('create table %I (like %I including defaults including constraints)', child, parent);
                execute format(
                    'with moved as (delete from %I where id >= %L and id < %L returning *) insert into %I select * from moved',
                    parent || '_default', since, till, child
                );
                execute format(
                    'alter table %I attach partition %I for values from (%L) to (%L)', parent, child, since, till
                );
                made := made + 1;
            end if;
        end loop;
    end loop;
    return made;
end $$;

-- Bodies, contents or events of a day whose rows are gone: nothing leads to them any more. Each table in a transaction of
-- its own, so that nobody who holds one lock and wants the other is waited for.
create or replace function drop_bodies_of_day(parent text, day date) returns boolean language plpgsql
set lock_timeout = '500ms' as $$
declare
    suffix text := to_char(day, '"_"YYYYMMDD');
begin
    if parent not in ('request_bodies', 'contents', 'response_events') or to_regclass('requests' || suffix) is not null then
        return false;
    end if;
    execute format('drop table if exists %I', parent || suffix);
    return true;
end $$;

-- The days that are there already.
do $$
declare
    day date;
begin
    for day in
        select to_date(right(c.relname, 8), 'YYYYMMDD')
        from pg_inherits i
        join pg_class c on c.oid = i.inhrelid
        where i.inhparent = 'requests'::regclass and c.relname ~ '_[0-9]{8}$'
    loop
        perform ensure_request_partitions(day, 1);
    end loop;
end $$;

-- Live requests whose run was broken off after something of it had been shown: they end, and are not run again.
create function break_off_requests(ids uuid[]) returns void language plpgsql as $$
begin
    for i in 1 .. coalesce(array_length(ids, 1), 0) loop
        update requests set
            state = 3, status_code = 500, completed_at = now(), error_code = 'interrupted',
            error_message = 'The process that ran this call ended before the call did.'
        where id = ids[i] and state < 3;
    end loop;
end $$;
