-- One notice per changed row on channel `routing`: "table:id". A statement that touches more than 100 rows sends
-- "table:*" once instead. A notice is a hint: the listener reads the rows again (routing/sync.py).

create function notify_routing() returns trigger language plpgsql as $$
declare
    ids text[];
    changed text;
begin
    -- argument 0 is the column whose value names what to read again
    if tg_op = 'DELETE' then
        execute format('select array_agg(distinct %I::text) from (select %1$I from old_rows limit 10001) r', tg_argv[0]) into ids;
    elsif tg_op = 'INSERT' then
        execute format('select array_agg(distinct %I::text) from (select %1$I from new_rows limit 10001) r', tg_argv[0]) into ids;
    else
        execute format(
            'select array_agg(distinct id) from (select %I::text as id from new_rows union select %1$I::text from old_rows limit 10001) r',
            tg_argv[0]
        ) into ids;
    end if;
    if ids is null then
        return null;
    end if;
    if array_length(ids, 1) > 100 then
        perform pg_notify('routing', tg_argv[1] || ':*');
        return null;
    end if;
    foreach changed in array ids loop
        perform pg_notify('routing', tg_argv[1] || ':' || changed);
    end loop;
    return null;
end $$;

do $$
declare
    watched record;
    event record;
begin
    for watched in
        select * from (values
            ('users', 'id', 'users'),
            ('user_groups', 'user_id', 'users'),
            ('api_keys', 'id', 'api_keys'),
            ('endpoints', 'id', 'endpoints'),
            ('models', 'id', 'models'),
            ('model_groups', 'model_id', 'models')
        ) as t (tbl, col, noun)
    loop
        for event in
            select * from (values
                ('insert', 'new table as new_rows'),
                ('update', 'old table as old_rows new table as new_rows'),
                ('delete', 'old table as old_rows')
            ) as e (op, transition)
        loop
            execute format(
                'create trigger %I after %s on %I referencing %s for each statement execute function notify_routing(%L, %L)',
                watched.tbl || '_notify_' || event.op, event.op, watched.tbl, event.transition, watched.col, watched.noun
            );
        end loop;
    end loop;
end $$;
