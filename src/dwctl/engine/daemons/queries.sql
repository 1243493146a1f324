-- name: list_daemons
-- Processes that live, and those that were heard of within a day. $1 seconds without a heartbeat are death; $2 limits it
-- to one status. Nobody is ever seen initializing: a row is made when its process is about to serve.
-- row: dwctl.engine.daemons.structs:Daemon
select d.id, s.status, d.hostname, d.pid, d.version, d.started_at, d.last_heartbeat, d.stopped_at, d.stats, d.config
from daemons d
cross join lateral (
    select case
        when d.stopped_at is not null or d.last_heartbeat < now() - make_interval(secs => $1) then 'dead' else 'running'
    end as status
) s
where d.last_heartbeat > now() - interval '1 day' and ($2::text is null or s.status = $2)
order by d.started_at desc, d.id;
