-- Single responses: cancelled, deleted, not stored, asked for twice. Decision 0040.

-- Whether the request can be read as a response. Not when its client said so, or has deleted it: the row stays, for the log
-- and the ledger, without bodies.
alter table requests add column stored boolean not null default true;

-- What is to become of a single call that a process holds: 1, it is cancelled; 2, it is cancelled, and nothing of its
-- answer is kept. Null: it runs on.
alter table queue add column ending smallint check (ending in (1, 2));
create index queue_ending_idx on queue (id) where ending is not null;

-- Needed until its call is over, for its client wants nothing stored.
alter table contents add column fleeting boolean not null default false;
create index contents_fleeting_idx on contents (id) where fleeting;

-- Which call an account's Idempotency-Key has made, and of what body.
create table response_keys (
    owner_id uuid not null,
    key text not null,
    digest bytea not null,
    request_id uuid not null,
    created_at timestamptz not null default now(),
    primary key (owner_id, key)
);
create index response_keys_request_idx on response_keys (request_id);
create index response_keys_created_idx on response_keys (created_at);

-- Single calls that end without having been run. Row by row, as cancel_requests.
create function cancel_calls(ids uuid[]) returns void language plpgsql as $$
begin
    for i in 1 .. coalesce(array_length(ids, 1), 0) loop
        update requests set
            state = 5, completed_at = now(), error_code = 'cancelled',
            error_message = 'This call was cancelled before it was run.'
        where id = ids[i] and state < 3;
        perform pg_notify('dwctl_ended', ids[i]::text);
    end loop;
end $$;

-- Whether bodies of a request may be written, as it stands at this moment and not when the statement began: whoever asks
-- holds the row, so nobody deletes the response in between.
create function keeps_bodies(request uuid) returns boolean language plpgsql volatile as $$
begin
    return coalesce((select stored from requests where id = request), true);
end $$;
