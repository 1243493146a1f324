-- Durable work: files, batches, and the queue. Decision 0034 has the whole picture.
--
-- A row of `requests` exists for each line of a batch from the moment the batch is populated, and for each single
-- queued call from the moment it is accepted. While it is live (pending or being run) one row of `queue` stands beside
-- it, with the same attempt; the statement that ends the request deletes it and moves its batch's counters. So
--   total = completed + failed + canceled + rows of the batch in the queue, once a batch is populated.

create table files (
    id uuid primary key,
    name text not null,
    purpose text not null check (purpose in ('batch', 'batch_output', 'batch_error', 'user_data', 'vision', 'assistants', 'evals')),
    -- uploading: lines are coming in, nobody sees it; of a dead process it is deleted. deleted: its lines go step by step.
    status text not null default 'processed' check (status in ('uploading', 'processed', 'deleted')),
    -- As uploaded. Of an output or error file: of its batch (batches.output_bytes).
    bytes bigint not null default 0,
    -- Requests in a file of the purpose batch.
    lines integer not null default 0,
    -- Of a file of requests, by model: {"lines": n, "bytes": n, "urls": {"/v1/…": n}}. Admission and estimates read this, never the lines.
    models jsonb not null default '{}',
    owner_id uuid not null,
    creator_id uuid not null,
    -- The key that uploaded it; null for a session.
    key_id uuid,
    -- The process that takes the upload.
    daemon_id uuid,
    -- Of output and error files.
    batch_id uuid,
    created_at timestamptz not null default now(),
    -- Null never expires.
    expires_at timestamptz,
    deleted_at timestamptz
);
create index files_owner_idx on files (owner_id, created_at, id) where status = 'processed';
create index files_created_idx on files (created_at, id) where status = 'processed';
create index files_expires_idx on files (expires_at) where status = 'processed' and expires_at is not null;
create index files_leaving_idx on files (id) where status <> 'processed';

-- The requests of a file, in its order. A line's body stays here; rows of requests refer to it by batches.file_id and line.
create table file_lines (
    file_id uuid not null,
    -- From 0, blank lines not counted.
    line integer not null,
    custom_id text not null,
    model text not null,
    url text not null,
    -- What shares its start has the same number: first by model, then by the beginning of the prompt.
    prefix bigint not null,
    -- The JSON object, as it came.
    body bytea not null,
    primary key (file_id, line)
);
-- The content of a file of any other purpose, in pieces.
create table file_pieces (
    file_id uuid not null,
    piece integer not null,
    content bytea not null,
    primary key (file_id, piece)
);
alter table file_pieces alter column content set storage external;

create table batches (
    id uuid primary key,
    owner_id uuid not null,
    creator_id uuid not null,
    -- The key that made it and is charged; null for a session.
    key_id uuid,
    -- The hidden key (purpose batch) of owner and creator as which its lines run.
    run_key_id uuid not null,
    -- Null once the file is deleted.
    file_id uuid,
    file_name text not null default '',
    endpoint text not null,
    completion_window text not null,
    metadata jsonb not null default '{}',
    request_source text not null default 'api',
    idempotency_key text,
    -- Of the body that the key came with: another body with the same key is refused.
    idempotency_digest bytea,
    output_file_id uuid not null,
    error_file_id uuid not null,
    created_at timestamptz not null default now(),
    expires_at timestamptz not null,
    -- Lines of the file; what is in requests so far (where populating goes on after a crash).
    total integer not null,
    populated integer not null default 0,
    -- All ids of its requests lie between these, so that a query by batch looks into few partitions.
    first_id uuid not null,
    last_id uuid not null,
    -- Outcomes, moved by the statement that makes them.
    completed integer not null default 0,
    failed integer not null default 0,
    canceled integer not null default 0,
    -- The last position given in the error file; output positions are 1 .. completed.
    last_error integer not null default 0,
    output_bytes bigint not null default 0,
    error_bytes bigint not null default 0,
    prompt_tokens bigint not null default 0,
    completion_tokens bigint not null default 0,
    cached_tokens bigint not null default 0,
    reasoning_tokens bigint not null default 0,
    total_tokens bigint not null default 0,
    -- What its requests were charged, over all their attempts; by how many entries of the ledger, since when.
    cost numeric(36, 15) not null default 0,
    charges integer not null default 0,
    charged_at timestamptz,
    -- Of runs that ended a request, be it for the first time or after a retry; the first byte of those that have one.
    runs integer not null default 0,
    duration_ms double precision not null default 0,
    first_bytes integer not null default 0,
    first_byte_ms double precision not null default 0,
    -- Failed requests of positions in (retry_from, retry_to] are being put back step by step; null when none are.
    retry_from integer not null default 0,
    retry_to integer,
    -- Populated: lines can run.
    started_at timestamptz,
    -- Ended: every request is final and none is to be retried. Exactly one of completed_at, failed_at, cancelled_at is set.
    completed_at timestamptz,
    failed_at timestamptz,
    cancelling_at timestamptz,
    cancelled_at timestamptz,
    deleted_at timestamptz,
    notified_at timestamptz,
    -- Why it never started.
    errors jsonb,
    check (completed + failed + canceled <= total)
) with (fillfactor = 50);
create unique index batches_idempotency_key on batches (owner_id, creator_id, idempotency_key) where idempotency_key is not null;
create index batches_owner_idx on batches (owner_id, created_at, id) where deleted_at is null;
create index batches_created_idx on batches (created_at, id) where deleted_at is null;
-- Those that go on, which lists show first.
create index batches_active_owner_idx on batches (owner_id, created_at, id) where
    deleted_at is null and completed_at is null and failed_at is null and cancelling_at is null and cancelled_at is null;
create index batches_active_idx on batches (created_at, id) where
    deleted_at is null and completed_at is null and failed_at is null and cancelling_at is null and cancelled_at is null;
create index batches_file_idx on batches (file_id) where file_id is not null;
-- Transactions that show one entry for each batch.
create index batches_charged_owner_idx on batches (owner_id, charged_at, id) where charged_at is not null;
create index batches_charged_idx on batches (charged_at, id) where charged_at is not null;

-- Of a charge of a batch's line: the batch. Lines are indexed apart from all other entries, so that nobody reads a million
-- lines to find a grant between them; and no entry is in more indexes than before. A query names the half that it wants.
alter table ledger_entries add column batch_id uuid;
drop index ledger_entries_account_idx, ledger_entries_created_at_idx;
create index ledger_entries_account_idx on ledger_entries (account_id, created_at) where batch_id is null;
create index ledger_entries_created_at_idx on ledger_entries (created_at) where batch_id is null;
create index ledger_entries_line_account_idx on ledger_entries (account_id, created_at) where batch_id is not null;
create index ledger_entries_line_created_at_idx on ledger_entries (created_at) where batch_id is not null;
-- What is to be populated or cancelled step by step, or told of.
create index batches_unstarted_idx on batches (created_at) where started_at is null and failed_at is null and cancelled_at is null;
create index batches_cancelling_idx on batches (cancelling_at) where cancelling_at is not null and cancelled_at is null;
create index batches_retrying_idx on batches (id) where retry_to is not null and cancelling_at is null;

-- batch_id: of a single queued call a group of its own, which has no row in batches.
alter table requests
    add column batch_id uuid,
    add column line integer,
    add column custom_id text,
    -- Its place in the output file (completed) or the error file (failed) of its batch.
    add column position integer,
    add column deadline timestamptz;
-- Calls of a process that is running them; what waits in the queue has none.
drop index requests_live_idx;
create index requests_live_idx on requests (daemon_id) where state < 3 and daemon_id is not null;
create index requests_batch_idx on requests (batch_id, line) where batch_id is not null;
create index requests_outcome_idx on requests (batch_id, state, position) where position is not null;

-- Content: the answers of lines, and both sides of single queued calls. It lives as long as its batch or response, whatever
-- is logged.
create table contents (
    id uuid not null primary key,
    request bytea,
    response bytea,
    -- Bytes of its line in the output or error file.
    size integer
) partition by range (id);
create table contents_default partition of contents default;

-- Attempts that failed and were followed by another one, or whose process died.
create table attempts (
    request_id uuid not null,
    attempt smallint not null,
    started_at timestamptz,
    ended_at timestamptz not null default now(),
    daemon_id uuid,
    endpoint_id uuid,
    target_model text,
    status_code smallint,
    error_code text,
    error_message text,
    primary key (request_id, attempt)
);

-- A lane is a line of waiting: the requests of one batch for one model, or the single calls of one account, tier and model. Work
-- is claimed lane by lane, so that choosing among owners never reads their requests.
create table lanes (
    id bigint generated always as identity primary key,
    tier text not null check (tier in ('batch', 'flex', 'background')),
    model text not null,
    owner_id uuid not null,
    creator_id uuid not null,
    key_id uuid,
    run_key_id uuid not null,
    batch_id uuid,
    completion_window text not null,
    -- Of a batch's lane; single calls each have their own.
    deadline timestamptz,
    -- Nothing is claimed from it any more: its batch is being cancelled, or not yet populated.
    closed boolean not null default false,
    -- Of a batch's lane: its rows in the queue, moved by the statements that move them. Of single calls always zero.
    live integer not null default 0,
    -- Of a batch's lane: its lines that are not requests yet. Admission counts live and promised.
    promised integer not null default 0
) with (fillfactor = 50);
create unique index lanes_batch_key on lanes (batch_id, model) where batch_id is not null;
create unique index lanes_single_key on lanes (run_key_id, key_id, model, tier, completion_window) nulls not distinct where batch_id is null;
create index lanes_model_idx on lanes (model) where not closed;

-- Live work, and nothing else. Narrow: it is written at every step.
create table queue (
    id uuid primary key,
    lane_id bigint not null,
    -- Within the lane: lines of a batch by their number, which goes by prompt prefix within a step of populating; single
    -- calls by deadline.
    rank bigint not null,
    deadline timestamptz not null,
    line integer,
    attempt smallint not null default 1,
    -- Tries that failed so far; a try whose process died does not count.
    retries smallint not null default 0,
    -- The next try comes no sooner; null: at once.
    not_before timestamptz,
    -- The process that runs it: its row in daemons. Held for as long as that process lives.
    holder uuid,
    claimed_at timestamptz
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 20000, autovacuum_vacuum_cost_delay = 0);
create index queue_pending_idx on queue (lane_id, rank) where holder is null and not_before is null;
create index queue_delayed_idx on queue (not_before) where holder is null and not_before is not null;
create index queue_held_idx on queue (holder) where holder is not null;

-- What processes tell each other of the models that queued work is run for, twice a second: decision 0036. Of value for
-- seconds only, so a crash may empty it.
create unlogged table capacity (
    daemon_id uuid not null,
    model text not null,
    -- Whether this process has queued work for it, and how much of it is under way here.
    wants boolean not null,
    batch integer not null,
    -- Its other calls under way.
    interactive integer not null,
    -- How many calls of both kinds it thinks the model can take from all processes.
    most double precision not null,
    told_at timestamptz not null default now(),
    primary key (daemon_id, model)
) with (fillfactor = 50);

create function lane_of(
    a_tier text, a_model text, an_owner uuid, a_creator uuid, a_key uuid, a_run_key uuid, a_window text
) returns bigint language plpgsql as $$
declare
    found_id bigint;
begin
    loop
        select id into found_id from lanes
        where batch_id is null and run_key_id = a_run_key and key_id is not distinct from a_key and model = a_model
            and tier = a_tier and completion_window = a_window
        -- So that nobody forgets it before the call stands in it.
        for key share;
        exit when found_id is not null;
        insert into lanes (tier, model, owner_id, creator_id, key_id, run_key_id, completion_window)
        values (a_tier, a_model, an_owner, a_creator, a_key, a_run_key, a_window)
        on conflict do nothing;
    end loop;
    return found_id;
end $$;

-- Contents have the same days as requests.
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
        foreach parent in array array['requests', 'request_bodies', 'contents'] loop
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

-- Whether rows of a day are still needed: something of it is queued or run, or belongs to a batch that goes on, or that is
-- there and has an output that can be read. All requests of a batch have ids of the moment at which it was made.
create function request_day_is_needed(day date) returns boolean language plpgsql as $$
declare
    since uuid := uuidv7_floor(day::timestamp at time zone 'UTC');
    till uuid := uuidv7_floor((day + 1)::timestamp at time zone 'UTC');
begin
    return exists (select from queue where id >= since and id < till)
        or exists (
            select from requests where id >= since and id < till and state < 3 and daemon_id is not null
        )
        or exists (
            select from batches b
            where b.deleted_at is null and b.first_id < till and b.last_id >= since
                and b.created_at >= (day::timestamp at time zone 'UTC') - interval '1 hour'
                and b.created_at < ((day + 1)::timestamp at time zone 'UTC') + interval '1 hour'
                and (
                    (b.completed_at is null and b.failed_at is null and b.cancelled_at is null)
                    or exists (
                        select from files f
                        where f.id in (b.output_file_id, b.error_file_id) and f.status = 'processed'
                            and (f.expires_at is null or f.expires_at > now())
                    )
                )
        );
end $$;

-- Drop a day's rows of `requests` unless they are needed, looked at while nobody writes; whether they are gone. What waits
-- for the lock makes others wait, so it gives up soon.
create function drop_request_day(day date) returns boolean language plpgsql set lock_timeout = '500ms' as $$
declare
    child text := 'requests' || to_char(day, '"_"YYYYMMDD');
begin
    if to_regclass(child) is not null then
        lock table only requests in access exclusive mode;
        if request_day_is_needed(day) then
            return false;
        end if;
        execute format('drop table %I', child);
    end if;
    return true;
end $$;

-- Bodies or contents of a day whose rows are gone: nothing leads to them any more. Each table in a transaction of its own, so
-- that nobody who holds one lock and wants the other is waited for.
create function drop_bodies_of_day(parent text, day date) returns boolean language plpgsql set lock_timeout = '500ms' as $$
declare
    suffix text := to_char(day, '"_"YYYYMMDD');
begin
    if parent not in ('request_bodies', 'contents') or to_regclass('requests' || suffix) is not null then
        return false;
    end if;
    execute format('drop table if exists %I', parent || suffix);
    return true;
end $$;

-- The id of a line: UUIDv7 of one moment, in the order of the lines' numbers (up to 16,777,216), 48 bits drawn by chance.
create function uuidv7_of_line(moment timestamptz, line integer) returns uuid language sql volatile strict as $$
    select (
        lpad(to_hex((extract(epoch from moment) * 1000)::bigint), 12, '0')
        || '7' || lpad(to_hex(line >> 12 & 4095), 3, '0')
        || '8' || lpad(to_hex(line & 4095), 3, '0')
        || lpad(to_hex((random() * 281474976710655)::bigint), 12, '0')
    )::uuid
$$;

-- Attempts that are over and are followed by another one: each row goes back to pending in the next attempt, and what the
-- attempt came to is kept. Row by row, as add_late_costs.
create function reopen_requests(ids uuid[], holder uuid) returns void language plpgsql as $$
begin
    for i in 1 .. coalesce(array_length(ids, 1), 0) loop
        insert into attempts (
            request_id, attempt, started_at, daemon_id, endpoint_id, target_model, status_code, error_code, error_message
        )
        select
            id, attempt, completed_at - make_interval(secs => duration_ms / 1000), holder, endpoint_id, target_model,
            status_code, coalesce(error_code, 'interrupted'),
            coalesce(error_message, 'The process that ran this attempt ended before the attempt did.')
        from requests where id = ids[i]
        on conflict do nothing;
        update requests set
            attempt = attempt + 1, state = 0, status_code = null, upstream_status = null, completed_at = null,
            daemon_id = null, endpoint_id = null, target_model = null, response_model = null, first_byte_ms = null,
            duration_ms = null, overhead_ms = null, prompt_tokens = null, completion_tokens = null,
            reasoning_tokens = null, cached_tokens = null, total_tokens = null, cache_write_tokens = null,
            audio_seconds = null, estimated = false, response_size = null, finish_reason = null, error_code = null,
            error_message = null, position = null
        where id = ids[i] and state <= 3;
    end loop;
end $$;

-- Live requests that are canceled: the end that no attempt made.
create function cancel_requests(ids uuid[]) returns void language plpgsql as $$
begin
    for i in 1 .. coalesce(array_length(ids, 1), 0) loop
        update requests set
            state = 5, completed_at = now(), error_code = 'batch_cancelled',
            error_message = 'This request was cancelled before it was run.'
        where id = ids[i] and state < 3;
    end loop;
end $$;

-- A late charge is its batch's too.
create or replace function add_late_costs(ids uuid[], costs numeric[]) returns integer language plpgsql as $$
declare
    of_batch uuid;
begin
    for i in 1 .. coalesce(array_length(ids, 1), 0) loop
        update requests set cost = coalesce(cost, 0) + costs[i] where id = ids[i] returning batch_id into of_batch;
        if of_batch is not null then
            update batches set cost = cost + costs[i], charges = charges + 1, charged_at = least(charged_at, now())
            where id = of_batch;
        end if;
    end loop;
    return coalesce(array_length(ids, 1), 0);
end $$;

-- Who waits for work looks again; who waits for one request does so by its id.
create function notify_queue() returns trigger language plpgsql as $$
begin
    perform pg_notify('dwctl_queue', '');
    return null;
end $$;
create trigger lanes_notice after insert or update of closed on lanes for each statement execute function notify_queue();

create trigger batches_notice after update of retry_to on batches for each statement execute function notify_queue();

-- Windows in which a model's batches may be done; null for all that are configured, empty for none.
alter table models add column allowed_batch_completion_windows text[];
