-- name: take_lease
-- $1 the name, $2 who wants it, $3 seconds. A row when it is theirs now: it was free, or expired, or theirs already.
insert into leases (name, holder, expires_at) values ($1, $2, now() + make_interval(secs => $3))
on conflict (name) do update set holder = excluded.holder, expires_at = excluded.expires_at
where leases.holder = excluded.holder or leases.expires_at < now()
returning holder;

-- name: release_lease
-- Let others have it at once.
delete from leases where name = $1 and holder = $2;
