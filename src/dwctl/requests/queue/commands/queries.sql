-- name: cancel
-- Nobody starts anything of these batches any more, and step by step what waits is cancelled; not of those that have ended.
-- More than one of them are locked already.
update batches set cancelling_at = now()
where id = any ($1::uuid[])
    and completed_at is null and failed_at is null and cancelling_at is null and cancelled_at is null
returning id;

-- name: shut_lanes
-- Of batches that are being cancelled.
update lanes set closed = true where batch_id = any ($1::uuid[]) and not closed;

-- name: lock_batch
-- What is read next in this transaction is what stands when nobody else changes the batch.
select id from batches where id = $1 for update;

-- name: begin_retry
-- All that have failed so far are to be put back, step by step: the batch goes on. One whose deadline has passed gets
-- the deadline $2. Nothing for a batch in which nothing has failed, that is being cancelled, or whose file is gone.
update batches set
    retry_from = 0,
    retry_to = last_error,
    expires_at = case when expires_at <= now() then $2 else expires_at end,
    completed_at = null, failed_at = null, notified_at = null
where id = $1 and failed > 0 and file_id is not null and started_at is not null and cancelling_at is null
    and deleted_at is null
returning id;

-- name: move_end
-- Outputs of a batch that goes on again: where their end was counted from its end, they get another one when it has ended.
-- One that is just expiring is left alone.
with kept as (
    select f.id
    from batches b
    join files f on f.id in (b.output_file_id, b.error_file_id) and f.ends_by_default and f.status = 'processed'
    where b.id = $1
    for update of f skip locked
)
update files f set ends_by_default = false, expires_at = null from kept where f.id = kept.id;

-- name: retrying_batches
-- Batches of which failed requests are being put back, at most $1, and their windows.
select id, completion_window from batches where retry_to is not null and cancelling_at is null and deleted_at is null limit $1;

-- name: retry_step
-- Failed requests of a batch wait again, each in its next attempt: those of $2, or without it the next of what
-- begin_retry marked; at most $3. Gives their ids. A batch whose deadline has passed gets the deadline $4. Nothing for a batch
-- that is being cancelled or whose file is gone. Their rows follow by reopen_requests. The batch is locked already.
with batch as (
    select
        b.*, case when expires_at <= now() then $4::timestamptz else expires_at end as due
    from batches b
    where id = $1 and file_id is not null and started_at is not null and cancelling_at is null and deleted_at is null
        and ($2::uuid[] is not null or retry_to is not null)
),
marked as (
    select r.id, r.position
    from batch b
    join requests r on r.batch_id = b.id and r.id between b.first_id and b.last_id
        and r.state = 3 and r.position > b.retry_from and r.position <= b.retry_to
    where $2 is null
    order by r.position
    limit $3
),
named as (
    select r.id, r.position
    from batch b
    cross join unnest($2) as n (id)
    join requests r on r.id = n.id and r.batch_id = b.id and r.state = 3
    limit $3
),
failed as materialized (
    select r.id, r.model, r.line, r.attempt, p.position, k.size, b.due
    from batch b
    cross join (select * from marked union select * from named) p
    join requests r on r.id = p.id
    join file_lines l on l.file_id = b.file_id and l.line = r.line
    left join lateral (select c.size from contents c where c.id = r.id offset 0) k on true
),
lane as (
    insert into lanes as kept (
        tier, model, owner_id, creator_id, key_id, run_key_id, batch_id, completion_window, deadline, live
    )
    select
        'batch', f.model, b.owner_id, b.creator_id, b.key_id, b.run_key_id, b.id, b.completion_window, b.due, f.n
    from batch b cross join (select model, count(*)::integer as n from failed group by model order by model) f
    on conflict (batch_id, model) where batch_id is not null do update set
        live = kept.live + excluded.live, closed = false, deadline = excluded.deadline
    returning id, model
),
waiting as (
    insert into queue (id, lane_id, rank, deadline, line, attempt)
    select f.id, a.id, f.line, f.due, f.line, f.attempt + 1
    from failed f join lane a on a.model = f.model
    returning id
),
sums as (
    select
        count(*)::integer as n, coalesce(sum(size), 0) as size, max(position) as position,
        $2 is null and count(*) < $3 as last
    from failed
),
counted as (
    update batches b set
        failed = b.failed - n.n,
        error_bytes = b.error_bytes - n.size,
        retry_from = case when $2 is null then coalesce(n.position, b.retry_from) else b.retry_from end,
        retry_to = case when n.last then null else b.retry_to end,
        expires_at = case when n.n > 0 then batch.due else b.expires_at end,
        notified_at = null,
        -- What was put back by earlier steps may have ended by the last one.
        completed_at = case
            when n.n = 0 and n.last and b.completed + b.failed + b.canceled >= b.total and b.completed > 0 then now()
        end,
        failed_at = case
            when n.n = 0 and n.last and b.completed + b.failed + b.canceled >= b.total and b.completed = 0 then now()
        end
    from sums n, batch
    where b.id = batch.id and (n.n > 0 or n.last)
    returning b.completed_at is not null or b.failed_at is not null as ended, b.retry_to
)
select
    array(select id from waiting) as ids,
    coalesce((select ended from counted), false) as ended,
    (select retry_to from counted) is not null as more;
