-- One notice per changed row on channel `routing`: "noun:id". A statement that touches more than 100 rows sends
-- "noun:*" once instead. A notice is a hint: the listener reads the rows again (routing/sync.py). Updates of
-- columns that routing does not read, such as users.last_login, send nothing.

create function notify_routing() returns trigger language plpgsql as $$
declare
    noun constant text := tg_argv[0];
    id_column constant text := tg_argv[1];
    ignored constant text[] := string_to_array(tg_argv[2], ',');
    ids text[];
    changed text;
begin
    if tg_op = 'DELETE' then
        execute format('select array_agg(distinct %I::text) from old_rows', id_column) into ids;
    elsif tg_op = 'INSERT' then
        execute format('select array_agg(distinct %I::text) from new_rows', id_column) into ids;
    else
        execute format(
            'select array_agg(distinct coalesce(n.%1$I, o.%1$I)::text) from new_rows n full join old_rows o using (id) '
            'where (to_jsonb(n) - $1) is distinct from (to_jsonb(o) - $1)',
            id_column
        ) into ids using ignored;
    end if;
    if array_length(ids, 1) > 100 then
        perform pg_notify('routing', noun || ':*');
    elsif ids is not null then
        foreach changed in array ids loop
            perform pg_notify('routing', noun || ':' || changed);
        end loop;
    end if;
    return null;
end $$;

do $$
declare
    watched record;
begin
    for watched in
        select * from (values
            ('users', 'users', 'id', 'last_login,updated_at,display_name,avatar_url,password_hash,sessions_valid_from'),
            ('user_groups', 'users', 'user_id', ''),
            ('api_keys', 'api_keys', 'id', 'last_used,name,description'),
            ('endpoints', 'endpoints', 'id', 'updated_at,description,model_filter'),
            ('models', 'models', 'id', 'updated_at,last_sync,description,display_name,metadata,capabilities'),
            ('model_groups', 'models', 'model_id', '')
        ) as t (tbl, noun, id_column, ignored)
    loop
        execute format(
            'create trigger %I after insert on %I referencing new table as new_rows '
            'for each statement execute function notify_routing(%L, %L, %L)',
            watched.tbl || '_notice_insert', watched.tbl, watched.noun, watched.id_column, watched.ignored
        );
        execute format(
            'create trigger %I after delete on %I referencing old table as old_rows '
            'for each statement execute function notify_routing(%L, %L, %L)',
            watched.tbl || '_notice_delete', watched.tbl, watched.noun, watched.id_column, watched.ignored
        );
        -- Rows of membership tables are inserted and deleted, never updated.
        if watched.tbl not in ('user_groups', 'model_groups') then
            execute format(
                'create trigger %I after update on %I referencing old table as old_rows new table as new_rows '
                'for each statement execute function notify_routing(%L, %L, %L)',
                watched.tbl || '_notice_update', watched.tbl, watched.noun, watched.id_column, watched.ignored
            );
        end if;
    end loop;
end $$;
