-- name: live_lanes
-- Lanes that something waits in and can be claimed at once.
-- row: dwctl.requests.queue.structs:Lane
select
    a.id, a.tier, a.model, a.owner_id, a.creator_id, a.key_id, k.secret_hash as run_key, a.batch_id,
    a.completion_window, h.deadline, b.created_at as batch_created_at, b.endpoint, b.metadata, b.request_source, a.live,
    h.rank as head, c.secret_hash as charge_key
from lanes a
join lateral (
    select q.deadline, q.rank from queue q
    where q.lane_id = a.id and q.holder is null and q.not_before is null
    order by q.rank
    limit 1
) h on true
left join api_keys k on k.id = a.run_key_id
left join api_keys c on c.id = a.key_id
left join batches b on b.id = a.batch_id
where not a.closed;

-- name: claim
-- From each lane $1 its number $2 of rows, in their order from the rank $4 on, for the process $3. A row that another
-- process is just taking is passed over. The rank is where the caller knows that nothing waits before: while some snapshot
-- is held, entries of rows that are gone pile up at the head of the lane.
-- Its commit does not wait for the disk: if the database's server dies, what was claimed in its last moments waits again, as
-- it would if we had died.
-- Here and below rows of the queue are looked up by an array of their ids: joined with one of our lists, whose length the
-- planner cannot know, the whole queue would be read once it is large.
-- row: dwctl.requests.queue.structs:Claimed
with picked as materialized (
    select p.id
    from unnest($1::bigint[], $2::integer[], $4::bigint[]) as w (lane_id, n, floor)
    join lanes a on a.id = w.lane_id and not a.closed
    cross join lateral (
        select q.id from queue q
        where q.lane_id = w.lane_id and q.rank >= w.floor and q.holder is null and q.not_before is null
        order by q.rank
        limit w.n
        for update skip locked
    ) p
    where (select set_config('synchronous_commit', 'off', true)) is not null
),
claimed as (
    update queue q set holder = $3, claimed_at = now()
    where q.id = any (array(select id from picked))
    returning q.id, q.lane_id, q.rank, q.line, q.attempt, q.retries, q.deadline
)
select
    c.id, c.lane_id, c.rank, c.line, c.attempt, c.retries, c.deadline, coalesce(l.url, s.path) as path, l.custom_id,
    coalesce(l.body, s.request) as body, coalesce(s.stream and s.background, false) as logged, s.created_at
from claimed c
join lanes a on a.id = c.lane_id
left join batches b on b.id = a.batch_id
left join lateral (
    select f.url, f.custom_id, f.body from file_lines f where f.file_id = b.file_id and f.line = c.line offset 0
) l on true
left join lateral (
    select r.path, r.stream, r.background, r.created_at, k.request
    from requests r
    left join contents k on k.id = c.id
    where r.id = c.id and c.line is null
    offset 0
) s on true
order by c.lane_id, c.rank;

-- name: settle
-- What came of claimed requests, each in the attempt in which $1 holds it: an end (3 failed, 4 completed, 5 canceled) or
-- 0, another try no sooner than $5. Who is no longer held changes nothing here and is not in the answer. The rows
-- themselves are written next, by upsert_requests in the same transaction, with the positions that this gives out.
-- Batches before accounts, and each in the order of their ids, so that no two of these wait for each other.
with incoming as (
    select *
    from unnest(
        $2::uuid[], $3::smallint[], $4::smallint[], $5::timestamptz[], $6::bytea[], $7::integer[], $8::integer[],
        $9::integer[], $10::integer[], $11::integer[], $12::integer[], $13::numeric[], $14::real[], $15::real[]
    ) with ordinality as i (
        id, attempt, verdict, not_before, body, size, prompt_tokens, completion_tokens, cached_tokens, reasoning_tokens,
        total_tokens, cost, duration_ms, first_byte_ms, n
    )
),
held as materialized (
    select i.*, q.lane_id, q.ending, (select a.batch_id from lanes a where a.id = q.lane_id) as batch_id
    from (select * from incoming order by id) i
    -- One by one, by the id alone: an index of what is held would be read from end to end for each of them.
    cross join lateral (
        select q.lane_id, q.ending from queue q
        where q.id = i.id and q.attempt = i.attempt and q.holder is not distinct from $1
        for update
    ) q
),
gone as (
    delete from queue where id = any (array(select id from held where verdict >= 3))
),
again as (
    update queue q set
        holder = null, claimed_at = null, attempt = q.attempt + 1, retries = q.retries + 1, not_before = h.not_before
    from held h
    where q.id = h.id and h.verdict = 0 and q.id = any (array(select id from held where verdict = 0))
),
answers as (
    insert into contents (id, response, size)
    select id, body, size from held where verdict >= 3 and body is not null and ending is distinct from 2
    on conflict (id) do update set response = excluded.response, size = excluded.size
),
sums as (
    select
        batch_id,
        count(*) filter (where verdict = 4)::integer as completed,
        count(*) filter (where verdict = 3)::integer as failed,
        count(*) filter (where verdict = 5)::integer as canceled,
        coalesce(sum(size) filter (where verdict = 4), 0) as output_bytes,
        coalesce(sum(size) filter (where verdict = 3), 0) as error_bytes,
        coalesce(sum(prompt_tokens), 0) as prompt_tokens,
        coalesce(sum(completion_tokens), 0) as completion_tokens,
        coalesce(sum(cached_tokens), 0) as cached_tokens,
        coalesce(sum(reasoning_tokens), 0) as reasoning_tokens,
        coalesce(sum(total_tokens), 0) as total_tokens,
        coalesce(sum(cost), 0) as cost,
        count(*) filter (where cost > 0)::integer as charges,
        count(*) filter (where verdict >= 3)::integer as runs,
        coalesce(sum(duration_ms) filter (where verdict >= 3), 0) as duration_ms,
        count(first_byte_ms) filter (where verdict >= 3)::integer as first_bytes,
        coalesce(sum(first_byte_ms) filter (where verdict >= 3), 0) as first_byte_ms
    from held
    where batch_id is not null
    group by batch_id
),
locked as materialized (
    select
        b.id,
        b.completed + b.failed + b.canceled + s.completed + s.failed + s.canceled >= b.total
            and (b.retry_to is null or b.cancelling_at is not null) as ends
    from batches b join sums s on s.batch_id = b.id
    order by b.id
    for update of b
),
shortened as (
    update lanes a set live = a.live - n.n
    from (
        select lane_id, count(*)::integer as n from held where verdict >= 3 and batch_id is not null group by lane_id
    ) n
    where a.id = n.lane_id and exists (select from locked)
),
counted as (
    update batches b set
        completed = b.completed + s.completed,
        failed = b.failed + s.failed,
        canceled = b.canceled + s.canceled,
        last_error = b.last_error + s.failed,
        output_bytes = b.output_bytes + s.output_bytes,
        error_bytes = b.error_bytes + s.error_bytes,
        prompt_tokens = b.prompt_tokens + s.prompt_tokens,
        completion_tokens = b.completion_tokens + s.completion_tokens,
        cached_tokens = b.cached_tokens + s.cached_tokens,
        reasoning_tokens = b.reasoning_tokens + s.reasoning_tokens,
        total_tokens = b.total_tokens + s.total_tokens,
        cost = b.cost + s.cost,
        charges = b.charges + s.charges,
        charged_at = case when s.charges > 0 then least(b.charged_at, now()) else b.charged_at end,
        runs = b.runs + s.runs,
        duration_ms = b.duration_ms + s.duration_ms,
        first_bytes = b.first_bytes + s.first_bytes,
        first_byte_ms = b.first_byte_ms + s.first_byte_ms,
        completed_at = case
            when l.ends and b.cancelling_at is null and b.completed + s.completed > 0 then now() else b.completed_at
        end,
        failed_at = case
            when l.ends and b.cancelling_at is null and b.completed + s.completed = 0 and b.failed + s.failed > 0
                then now()
            else b.failed_at
        end,
        cancelled_at = case
            when l.ends and (b.cancelling_at is not null or b.completed + s.completed + b.failed + s.failed = 0) then now()
            else b.cancelled_at
        end
    from sums s
    join locked l on l.id = s.batch_id
    where b.id = s.batch_id
    returning b.id, b.completed - s.completed as outputs, b.last_error - s.failed as errors
)
select
    h.id,
    case h.verdict when 4 then c.outputs when 3 then c.errors end
        + case when h.verdict in (3, 4) then row_number() over (partition by h.batch_id, h.verdict order by h.n) end
        as position,
    h.batch_id,
    coalesce(h.batch_id in (select id from locked where ends), false) as batch_ended,
    -- Somebody may be waiting for the end of a single call.
    case when h.batch_id is null and h.verdict >= 3 then pg_notify('dwctl_ended', h.id::text) end as told
from held h
left join counted c on c.id = h.batch_id;

-- name: reopen_requests
-- Rows of attempts that are followed by another one.
select reopen_requests($1::uuid[], $2::uuid);

-- name: close_lanes
-- A batch has ended: nothing waits in its lanes, as their counters tell without a look at the queue.
delete from lanes where batch_id = any ($1::uuid[]) and live = 0;

-- name: durable
-- What this transaction wrote is on disk when its commit is confirmed.
select set_config('synchronous_commit', 'on', true);

-- name: ripen
-- Requests whose time to be tried again has come, at most $1 at once.
with ripe as (
    select id from queue
    where holder is null and not_before <= now()
    order by not_before
    limit $1
    for update skip locked
)
update queue q set not_before = null where q.id = any (array(select id from ripe)) returning q.lane_id;

-- name: next_ripe
-- When the next request can be tried again.
select min(not_before) from queue where holder is null and not_before is not null;

-- name: held
-- What a process holds.
select id from queue where holder = $1;

-- name: release
-- Handed back untried: another process may take them in the same attempt.
update queue q set holder = null, claimed_at = null
where q.id = any ($2::uuid[]) and q.holder = $1
returning q.lane_id;

-- name: put_off
-- A request whose outcome cannot be written: it waits for its next attempt, $4 seconds from now.
update queue q set
    holder = null, claimed_at = null, attempt = q.attempt + 1, retries = q.retries + 1,
    not_before = now() + make_interval(secs => $4)
where q.id = $2 and q.holder = $1 and q.attempt = $3
returning q.id;

-- name: rescue
-- Requests that a dead process held, at most $2 at once: they wait again, each in its next attempt.
with lost as (select id from queue where holder = $1 order by id limit $2 for update)
update queue q set holder = null, claimed_at = null, attempt = q.attempt + 1
where q.id = any (array(select id from lost))
returning q.id;

-- name: dead_holders
-- Processes that hold requests and no longer live: stopped, gone, or silent for $1 seconds.
select h.holder
from (
    with recursive holders as (
        (select holder from queue where holder is not null order by holder limit 1)
        union all
        select (select q.holder from queue q where q.holder > h.holder order by q.holder limit 1)
        from holders h
        where h.holder is not null
    )
    select holder from holders where holder is not null
) h
left join daemons d on d.id = h.holder
where d.id is null or d.stopped_at is not null or d.last_heartbeat < now() - make_interval(secs => $1);

-- name: to_abort
-- What this process holds and is to end: of batches that are being cancelled, and single calls.
select q.id
from queue q
join lanes a on a.id = q.lane_id
where q.holder = $1 and (a.closed or q.ending is not null);

-- name: cancelling_batches
-- Batches whose requests are to be cancelled, at most $1.
select id from batches where cancelling_at is not null and cancelled_at is null order by cancelling_at limit $1;

-- name: cancel_step
-- Cancel at most $2 waiting requests of a batch that is being cancelled; lines that were never populated with the last.
with batch as (
    select * from batches where id = $1 and cancelling_at is not null and cancelled_at is null
),
picked as materialized (
    -- What waits goes by lanes, what is to be tried later by an index that knows none: there is never much of it.
    select p.id
    from (
        select w.id
        from lanes a
        cross join lateral (
            select q.id from queue q
            where q.lane_id = a.id and q.holder is null and q.not_before is null
            order by q.rank
            limit $2
            for update skip locked
        ) w
        where a.batch_id = (select id from batch)
        union all
        select d.id
        from (
            select q.id from queue q
            where q.holder is null and q.not_before is not null
                and q.lane_id = any (array(select a.id from lanes a where a.batch_id = (select id from batch)))
            limit $2
            for update skip locked
        ) d
    ) p
    limit $2
),
locked as materialized (
    select b.* from batches b join batch on batch.id = b.id where b.cancelled_at is null for update of b
),
gone as (delete from queue q where q.id = any (array(select id from picked)) returning q.id, q.lane_id),
shortened as (
    update lanes a set live = a.live - n.n
    from (select lane_id, count(*)::integer as n from gone group by lane_id) n
    where a.id = n.lane_id and exists (select from locked)
),
ended as (select cancel_requests(array_agg(id)) from gone having count(*) > 0),
sums as (
    select
        l.id,
        (select count(*) from gone)::integer + l.total - l.populated as canceled
    from locked l
)
update batches b set
    canceled = b.canceled + s.canceled,
    -- What was never populated is counted once, with the first step.
    populated = b.total,
    cancelled_at = case when b.completed + b.failed + b.canceled + s.canceled >= b.total then now() end
from sums s
where b.id = s.id
returning (select count(*) from gone)::integer as canceled, b.cancelled_at is not null as ended, (select count(*) from ended);

-- name: enqueue
-- Single queued calls: rows, contents, and places in the queue, each in the lane of its kind, which is made when there is
-- none. Gives the ids and when they came; one that is taken is not among them, and nothing of it changes.
with incoming as materialized (
    select i.*, lane_of(i.tier, i.model, i.owner_id, i.creator_id, i.key_id, i.run_key_id, i.completion_window) as lane_id
    from unnest(
        $1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::uuid[], $7::uuid[], $8::uuid[], $9::uuid[],
        $10::text[], $11::timestamptz[], $12::bytea[], $13::boolean[], $14::boolean[], $15::text[], $16::text[],
        $17::text[], $18::text[], $19::boolean[]
    ) as i (
        id, group_id, tier, path, model, owner_id, creator_id, key_id, run_key_id, completion_window, deadline, body,
        stream, background, purpose, origin, service_tier, user_agent, stored
    )
),
made as (
    insert into requests (
        id, state, background, stream, created_at, owner_id, creator_id, key_id, path, model, purpose, origin,
        service_tier, request_size, batch_id, deadline, user_agent, stored
    )
    select
        id, 0, background, stream, now(), owner_id, creator_id, key_id, path, model, purpose, origin, service_tier,
        length(body), group_id, deadline, user_agent, stored
    from incoming
    on conflict (id) do nothing
    returning id, created_at
),
content as (insert into contents (id, request, fleeting) select id, body, not stored from incoming join made using (id)),
waiting as (
    insert into queue (id, lane_id, rank, deadline)
    select i.id, i.lane_id, (extract(epoch from i.deadline) * 1000)::bigint, i.deadline
    from incoming i
    join made m on m.id = i.id
    returning id
)
select id, created_at, pg_notify('dwctl_queue', '') as told from waiting join made using (id);

-- name: forget_lanes
-- Lanes of single calls that nothing has waited in; whoever comes next makes them anew.
delete from lanes a where a.batch_id is null and not exists (select from queue q where q.lane_id = a.id);

-- name: exchange
-- What this process tells of its models, and what the others told within $7 seconds. What dead ones told is swept.
with told as (
    insert into capacity (daemon_id, model, wants, batch, interactive, most)
    select $1::uuid, * from unnest($2::text[], $3::boolean[], $4::integer[], $5::integer[], $6::double precision[])
    on conflict (daemon_id, model) do update set
        wants = excluded.wants, batch = excluded.batch, interactive = excluded.interactive, most = excluded.most,
        told_at = now()
),
taken_back as (
    delete from capacity where daemon_id = $1 and model <> all($2)
),
swept as (
    delete from capacity c using (
        select daemon_id, model from capacity
        where daemon_id <> $1 and told_at < now() - interval '1 minute'
        for update skip locked
    ) old
    where c.daemon_id = old.daemon_id and c.model = old.model
)
select c.daemon_id, c.model, c.wants, c.batch, c.interactive, c.most
from capacity c
where c.daemon_id <> $1 and c.told_at > now() - make_interval(secs => $7);

-- name: call
select pg_notify($1, '');
