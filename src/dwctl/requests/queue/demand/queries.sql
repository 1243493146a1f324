-- name: depths
-- What waits, is being run or is still to become requests, by model, tier and deadline: of batches from the lanes' counters,
-- single calls one by one. Not what is being cancelled. A batch that is to be done within an hour is of the tier flex.
-- row: dwctl.requests.queue.demand.structs:Depth
select
    a.model, case a.completion_window when '1h' then 'flex' else 'batch' end as tier, a.deadline,
    sum(a.live + a.promised)::bigint as requests
from lanes a
join batches b on b.id = a.batch_id and b.cancelling_at is null
where a.live + a.promised > 0
group by a.model, 2, a.deadline
union all
select a.model, a.tier, q.deadline, count(*)
from lanes a
join queue q on q.lane_id = a.id
where a.batch_id is null
group by a.model, a.tier, q.deadline;

-- name: interactive
-- Calls under way that were never queued, by the second in which they came, which is when they are due.
-- row: dwctl.requests.queue.demand.structs:Depth
select model, 'priority' as tier, date_trunc('second', created_at) as deadline, count(*) as requests
from requests
where state < 3 and daemon_id is not null
group by model, 3;

-- name: ended
-- Requests that were completed or have failed from $1 on and before $2. Found by the index of their ends: of all days'
-- partitions only those blocks are read that have ends of that time.
-- row: dwctl.requests.queue.demand.structs:Ended
select
    model,
    case
        when service_tier = 'flex' then 'flex'
        when origin = 'batch' then 'batch'
        when background then 'background'
        else 'priority'
    end as tier,
    case state when 4 then 'completed' else 'failed' end as outcome,
    count(*) as requests
from requests
where completed_at >= $1 and completed_at < $2 and state in (3, 4)
group by 1, 2, 3;
