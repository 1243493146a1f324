-- name: uploader_access
-- The groups of the account $1, and the list of models of the key $2, if it has one.
select
    (select array_agg(g.group_id) from user_groups g where g.user_id = $1) as groups,
    (select k.allowed_models from api_keys k where k.id = $2) as allowed_models;

-- name: begin_upload
-- A file that nobody sees yet. What it is for may come later.
insert into files (id, name, purpose, status, owner_id, creator_id, key_id, daemon_id)
values ($1, $2, 'user_data', 'uploading', $3, $4, $5, $6);

-- name: hold_upload
-- The upload goes on; its row cannot go before this transaction ends.
select true from files where id = $1 and status = 'uploading' for key share;

-- name: look_at_lines
-- The lines of a file from $2 on. Whoever sees a row first notes in its page that its transaction is over. Done while the page
-- is as good as new, that costs nothing; later the page would be written once more, and with checksums the log gets all of
-- it: for a million lines a quarter of the work of making a batch of them.
select count(*) from file_lines where file_id = $1 and line >= $2;

-- name: add_piece
insert into file_pieces (file_id, piece, content) values ($1, $2, $3);

-- name: drop_pieces
delete from file_pieces where file_id = $1;

-- name: get_piece
select content from file_pieces where file_id = $1 and piece = $2;

-- name: finish_upload
-- Everything is there. $6 seconds from now it expires; null: never.
update files set
    status = 'processed', purpose = $2, bytes = $3, lines = $4, models = $5, created_at = now(),
    expires_at = now() + make_interval(secs => $6)
where id = $1 and status = 'uploading'
returning true;

-- name: give_up_upload
update files set status = 'deleted', deleted_at = now() where id = $1 and status = 'uploading';

-- name: get_file
-- One that can be seen; $2 is its owner, null for whoever sees all.
-- row: dwctl.engine.files.structs:FileRow
select
    f.id, f.name, f.purpose,
    case f.purpose when 'batch_output' then b.output_bytes when 'batch_error' then b.error_bytes else f.bytes end as bytes,
    f.lines, f.models, f.owner_id, f.creator_id, f.batch_id, f.created_at, f.expires_at, c.email as creator_email,
    o.user_type as owner_type, coalesce(o.display_name, o.username) as owner_name
from files f
left join batches b on b.id = f.batch_id
left join users c on c.id = f.creator_id
left join users o on o.id = f.owner_id
where f.id = $1 and f.status = 'processed' and (f.expires_at is null or f.expires_at > now())
    and ($2::uuid is null or f.owner_id = $2);

-- part: files_that_fit
-- Those that can be seen. Filters that are null do not apply: $1 owner; $2 creator; $4 purpose; $5 a part of the name.
select
    f.id, f.name, f.purpose,
    case f.purpose when 'batch_output' then b.output_bytes when 'batch_error' then b.error_bytes else f.bytes end as bytes,
    f.lines, null::jsonb as models, f.owner_id, f.creator_id, f.batch_id, f.created_at, f.expires_at,
    c.email as creator_email, o.user_type as owner_type, coalesce(o.display_name, o.username) as owner_name
from files f
left join batches b on b.id = f.batch_id
left join users c on c.id = f.creator_id
left join users o on o.id = f.owner_id
where f.status = 'processed' and (f.expires_at is null or f.expires_at > now())
    and ($1::uuid is null or f.owner_id = $1)
    and ($2::uuid is null or f.creator_id = $2)
    and ($4::text is null or f.purpose = $4)
    and ($5::text is null or strpos(lower(f.name), lower($5)) > 0)

-- name: newest_files
-- After $3 (which may be gone), $6 at most.
-- row: dwctl.engine.files.structs:FileRow
{{files_that_fit}}
    and ($3::uuid is null or (f.created_at, f.id) < (select a.created_at, a.id from files a where a.id = $3))
order by f.created_at desc, f.id desc
limit $6;

-- name: oldest_files
-- The same in the other order.
-- row: dwctl.engine.files.structs:FileRow
{{files_that_fit}}
    and ($3::uuid is null or (f.created_at, f.id) > (select a.created_at, a.id from files a where a.id = $3))
order by f.created_at, f.id
limit $6;

-- name: is_file
-- Whether there is, or lately was, such a file of the owner $2; null: of anybody.
select exists (select from files where id = $1 and status <> 'uploading' and ($2::uuid is null or owner_id = $2));

-- name: take_file
-- A file that is to go. Whoever makes a batch over it holds its row: that one ends first, and the next statement sees it.
select id from files
where id = $1 and status = 'processed' and ($2::uuid is null or owner_id = $2)
    and (expires_at is null or expires_at > now())
for update;

-- name: take_expired
-- Files whose time is over, at most $1. One that a batch still runs over stays, unseen, until that has ended.
select f.id from files f
where f.status = 'processed' and f.expires_at <= now()
    and not exists (
        select from batches b
        where b.file_id = f.id and b.completed_at is null and b.failed_at is null and b.cancelled_at is null
    )
order by f.expires_at
limit $1
for update skip locked;

-- name: let_go
-- These files are seen no more. Of files that have expired ($2), those that a batch runs over stay.
update files f set status = 'deleted', deleted_at = now()
where f.id = any ($1::uuid[])
    and not (
        $2 and exists (
            select from batches b
            where b.file_id = f.id and b.completed_at is null and b.failed_at is null and b.cancelled_at is null
        )
    )
returning f.id;

-- name: lock_batches_over
-- The batches of these files, in the order of their ids and before lanes, as where they are counted.
select id from batches where file_id = any ($1::uuid[]) order by id for update;

-- name: detach
-- These batches let go of their file; those that have ended keep their outcomes.
update batches set file_id = null where id = any ($1::uuid[]);

-- name: orphaned_uploads
-- Uploads of processes that are gone or have been silent for $1 seconds, and those of $2, which this one could not give up
-- when they failed.
update files f set status = 'deleted', deleted_at = now()
where f.status = 'uploading'
    and (
        f.id = any ($2::uuid[])
        or not exists (
            select from daemons d
            where d.id = f.daemon_id and d.stopped_at is null and d.last_heartbeat > now() - make_interval(secs => $1)
        )
    )
returning f.id;

-- name: end_outputs
-- Output and error files without an end of their own, whose batch has ended: they have $1 seconds from then, and a week at
-- least where the batch ended before there was such a limit; at most $2.
with due as (
    select f.id, b.ended_at
    from files f
    join lateral (
        select coalesce(b.completed_at, b.failed_at, b.cancelled_at) as ended_at
        from batches b
        where b.id = f.batch_id
        offset 0
    ) b on b.ended_at is not null
    where f.status = 'processed' and f.expires_at is null and f.batch_id is not null
    order by f.id
    limit $2
    for update of f skip locked
)
update files f set
    ends_by_default = true,
    expires_at = case
        when due.ended_at > now() - interval '1 day' then due.ended_at + make_interval(secs => $1::double precision)
        else greatest(
            due.ended_at + make_interval(secs => $1::double precision),
            now() + make_interval(secs => least($1::double precision, 604800))
        )
    end
from due
where f.id = due.id
returning f.id;

-- name: take_deleted
-- A deleted file that nobody works on: nobody copies into it, and no batch goes on to write what stands in it. $1: this one
-- alone.
select id from files
where status = 'deleted' and ($1::uuid is null or id = $1)
    and not exists (
        select from batches b
        where b.id = files.batch_id and b.completed_at is null and b.failed_at is null and b.cancelled_at is null
    )
order by id
limit 1
for update skip locked;

-- name: clear_lines
-- The first $2 lines of a file.
delete from file_lines
where file_id = $1
    and line < (select l.line from file_lines l where l.file_id = $1 order by l.line limit 1) + $2::integer;

-- name: clear_pieces
-- The first $2 pieces of a file.
delete from file_pieces
where file_id = $1
    and piece < (select p.piece from file_pieces p where p.file_id = $1 order by p.piece limit 1) + $2::integer;

-- name: clear_outcomes
-- The next $2 answers that stood in the output or error file $1, in the order of their positions. Their rows stay.
with file as materialized (
    select
        f.id, f.cleared, b.id as batch_id, b.first_id, b.last_id, case f.purpose when 'batch_output' then 4 else 3 end as state
    from files f
    join batches b on b.id = f.batch_id
    where f.id = $1 and f.purpose in ('batch_output', 'batch_error')
),
next as materialized (
    select r.id, r.position
    from file
    join requests r on r.batch_id = file.batch_id and r.state = file.state
        and r.id between file.first_id and file.last_id and r.position > file.cleared
    order by r.position
    limit $2
),
moved as (
    update files f set cleared = n.position
    from (select max(position) as position from next) n
    where f.id = $1 and n.position is not null
)
-- Also by their range, so that no more days are looked into than the batch has.
delete from contents c
where c.id >= (select first_id from file) and c.id <= (select last_id from file)
    and c.id = any (array(select id from next));

-- name: has_outcomes
-- Whether answers of the file $1 are left.
select exists (
    select
    from files f
    join batches b on b.id = f.batch_id
    join requests r on r.batch_id = b.id and r.id between b.first_id and b.last_id
        and r.state = case f.purpose when 'batch_output' then 4 else 3 end and r.position > f.cleared
    where f.id = $1 and f.purpose in ('batch_output', 'batch_error')
);

-- name: forget_file
delete from files where id = $1 and status = 'deleted';

-- name: input_page
-- The lines from $2 on and before $3 as they are downloaded: at most $5 of them, and no more once they have $6 bytes. $4
-- is a part of their custom_id, or null. Made here, so that no line passes through the event loop by itself.
select
    max(p.line) as last,
    string_agg(
        convert_to('{"custom_id":' || to_json(p.custom_id) || ',"method":"POST","url":' || to_json(p.url) || ',"body":', 'UTF8')
        || p.body || '\x7d0a'::bytea,
        ''::bytea
        order by p.line
    ) as text
from (
    select n.*, sum(length(n.body)) over (order by n.line) - length(n.body) as before
    from (
        select line, custom_id, url, body from file_lines
        where file_id = $1 and line >= $2 and line < $3
            and ($4::text is null or strpos(lower(custom_id), lower($4)) > 0)
        order by line
        limit $5
    ) n
) p
where p.before < $6;

-- name: input_span
-- Where the lines stand that a search finds: $3 of them passed over, at most $4 taken.
select min(line) as first, max(line) as last, count(*)::integer as number
from (
    select line from file_lines
    where file_id = $1 and strpos(lower(custom_id), lower($2)) > 0
    order by line
    offset $3 limit $4
) f;

-- name: outcome_source
-- Where the outcomes of a batch are, and how many it has at this moment.
-- row: dwctl.engine.files.structs:OutcomeSource
select
    id, first_id, last_id, completed, last_error,
    coalesce(completed_at, failed_at, cancelled_at) as ended_at
from batches where id = $1;

-- name: outcome_page
-- The outcomes of a batch in the state $2 at the positions $5 < position <= $6 : at most $8 of them, and no more once they
-- have $9 bytes. $7 is a part of their custom_id, or null.
-- row: dwctl.engine.files.structs:Outcome
select p.position, p.id, p.custom_id, p.state, p.status_code, p.response, p.error_code, p.error_message
from (
    select n.*, sum(coalesce(n.size, 0)) over (order by n.position) - coalesce(n.size, 0) as before
    from (
        select
            r.position, r.id, r.custom_id, r.state, r.status_code, k.response, r.error_code, r.error_message,
            length(k.response) as size
        from requests r
        left join lateral (select c.response from contents c where c.id = r.id offset 0) k on true
        where r.batch_id = $1 and r.state = $2 and r.id between $3 and $4 and r.position > $5 and r.position <= $6
            and ($7::text is null or strpos(lower(r.custom_id), lower($7)) > 0)
        order by r.position
        limit $8
    ) n
) p
where p.before < $9
order by p.position;

-- name: outcome_span
-- Where those outcomes stand that are taken: of all behind the position $5, or of those that a search ($6) finds, $7 passed
-- over and at most $8 taken.
select min(position) as first, max(position) as last, count(*)::integer as number
from (
    select r.position from requests r
    where r.batch_id = $1 and r.state = $2 and r.id between $3 and $4 and r.position > $5
        and ($6::text is null or strpos(lower(r.custom_id), lower($6)) > 0)
    order by r.position
    offset $7 limit $8
) f;

-- name: mean_outputs
-- Tokens that the last hundred answers of each model had on average; null where there is none.
select
    m.model,
    (
        select avg(l.completion_tokens)::float8
        from (
            select t.completion_tokens
            from (
                select r.state, r.completion_tokens from requests r where r.model = m.model order by r.id desc limit 1000
            ) t
            where t.state = 4 and t.completion_tokens is not null
            limit 100
        ) l
    ) as tokens
from unnest($1::text[]) as m (model);
