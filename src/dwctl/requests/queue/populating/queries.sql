-- name: populate
-- The next $2 lines of a batch become requests and wait. Nothing for a batch that has started, failed or is being
-- cancelled. Repeated after a crash it goes on where the last committed step ended.
-- Its commit does not wait for the disk, unless it is the last one (durable): if the database's server dies, some steps are
-- made once more, and nothing runs before the last one is there.
-- row: dwctl.requests.queue.structs:Step
with batch as (
    select *, lpad(to_hex((extract(epoch from created_at) * 1000)::bigint), 12, '0') as moment from batches
    where id = $1 and started_at is null and failed_at is null and cancelling_at is null and deleted_at is null
        and (select set_config('synchronous_commit', 'off', true)) is not null
    for update
),
-- Bodies are measured before anything else, else they would be copied with each row that is sorted or kept.
picked as (
    select
        l.line, l.prefix, l.custom_id, l.model, l.url, length(l.body) as size, b.moment, b.populated
    from batch b
    join file_lines l on l.file_id = b.file_id and l.line >= b.populated and l.line < b.populated + $2::integer
    offset 0
),
-- Numbered so that lines with the same beginning run one after the other, within a step; ids, ranks and the order in which
-- rows lie are then the same, without which claims and settlements of a large queue touch a page for every row.
numbered as (
    select *, populated + row_number() over (order by prefix, line) - 1 as number
    from picked
),
-- As uuidv7_of_line, with what all lines have in common worked out once.
lines as (
    select
        (
            moment || to_hex((28672 | ((number >> 12) & 4095))::integer)
            || to_hex((1::bigint << 63) | ((number & 4095) << 48) | (random() * 281474976710655)::bigint)
        )::uuid as id,
        number, line, prefix, custom_id, model, url, size
    from numbered
),
made as (
    insert into requests (
        id, state, background, created_at, owner_id, creator_id, key_id, path, model, purpose, origin, service_tier,
        request_size, batch_id, line, custom_id, deadline
    )
    select
        l.id, 0, true, b.created_at, b.owner_id, b.creator_id, b.key_id, l.url, l.model, 'batch', 'batch',
        case b.completion_window when '1h' then 'flex' else 'default' end, l.size,
        b.id, l.line, l.custom_id, b.expires_at
    from lines l cross join batch b
    -- By their numbers; said so that they are not sorted once more.
    order by l.prefix, l.line
),
waiting as (
    insert into queue (id, lane_id, rank, deadline, line)
    select l.id, a.id, l.number, b.expires_at, l.line
    from lines l cross join batch b
    join lanes a on a.batch_id = b.id and a.model = l.model
    order by l.prefix, l.line
    returning lane_id
),
lengthened as (
    update lanes a set live = a.live + n.n, promised = greatest(0, a.promised - n.n)
    from (select lane_id, count(*)::integer as n from waiting group by lane_id) n
    where a.id = n.lane_id
),
counted as (
    update batches b set
        populated = b.populated + (select count(*) from lines),
        started_at = case when b.populated + (select count(*) from lines) >= b.total then now() end
    from batch
    where b.id = batch.id
    returning b.started_at
)
select (select count(*) from lines)::integer as made, started_at is not null as started from counted;

-- name: open_lanes
-- The batch has started: its lanes can be claimed from.
update lanes set closed = false
where batch_id = $1 and closed
    and exists (select from batches b where b.id = $1 and b.started_at is not null and b.cancelling_at is null);

-- name: unstarted_batches
-- Batches to populate, oldest first, at most $1.
select id from batches
where started_at is null and failed_at is null and cancelled_at is null and cancelling_at is null and deleted_at is null
order by created_at
limit $1;

-- name: abandon
-- Lines of a batch that has not started can never be made, for its file is gone: it is cancelled, and says why.
update batches set
    cancelling_at = now(),
    errors = jsonb_build_object('object', 'list', 'data', jsonb_build_array(jsonb_build_object(
        'code', 'file_not_found', 'line', null, 'param', 'input_file_id',
        'message', 'The input file was deleted before all of its lines were read.'
    )))
where id = $1 and started_at is null and failed_at is null and cancelling_at is null
    and not exists (select from file_lines l where l.file_id = batches.file_id and l.line = batches.populated);
