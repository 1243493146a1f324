-- name: list_models
-- Filters that are null do not apply. $1 the account whose access counts, null for all models; $2 endpoint; $3 groups;
-- $4 part of alias, model name or endpoint name; $5 type; $6 capability; $7 deleted ones too; $8 status; $9 sort column;
-- $10 descending; $11 to leave out; $12 to give.
select
    m.id, m.model_name, m.alias, m.display_name, m.description, m.type, m.capabilities, m.endpoint_id, m.status,
    m.created_at, m.updated_at, m.last_sync, m.metadata, m.created_by, m.deleted_at is not null as deleted,
    count(*) over () as total
from models m
left join endpoints e on e.id = m.endpoint_id
where ($7::boolean or m.deleted_at is null)
    and (
        $1::uuid is null
        or exists (
            select 1 from model_groups g
            where g.model_id = m.id
                and (
                    g.group_id = '00000000-0000-0000-0000-000000000000'
                    or g.group_id in (select group_id from user_groups where user_id = $1)
                )
        )
    )
    and ($2::uuid is null or m.endpoint_id = $2)
    and (
        $3::uuid[] is null
        or exists (select 1 from model_groups g where g.model_id = m.id and g.group_id = any ($3))
    )
    and (
        $4::text is null or strpos(lower(m.alias), lower($4)) > 0
        or strpos(lower(m.model_name), lower($4)) > 0 or strpos(lower(e.name), lower($4)) > 0
    )
    and ($5::text is null or m.type = $5)
    and ($6::text is null or $6 = any (m.capabilities))
    and ($8::text is null or m.status = $8)
order by
    case when $9 = 'alias' and not $10 then m.alias end asc,
    case when $9 = 'alias' and $10 then m.alias end desc,
    case when $9 = 'created_at' and not $10 then m.created_at end asc,
    case when $9 = 'created_at' and $10 then m.created_at end desc,
    m.id
offset $11 limit $12;

-- name: get_model
select
    m.id, m.model_name, m.alias, m.display_name, m.description, m.type, m.capabilities, m.endpoint_id, m.status,
    m.created_at, m.updated_at, m.last_sync, m.metadata, m.created_by, m.deleted_at is not null as deleted
from models m
where m.id = $1;

-- name: may_use
select exists (
    select 1 from model_groups g
    where g.model_id = $1
        and (
            g.group_id = '00000000-0000-0000-0000-000000000000'
            or g.group_id in (select group_id from user_groups where user_id = $2)
        )
);

-- name: groups_of_models
select g.model_id, r.id, r.name, r.description
from model_groups g
join groups r on r.id = g.group_id
where g.model_id = any ($1)
order by r.name;

-- name: create_model
insert into models (
    id, alias, model_name, display_name, description, type, capabilities, endpoint_id, metadata, created_by
)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10);

-- name: update_model
update models set
    alias = $2, display_name = $3, description = $4, type = $5, capabilities = $6, metadata = $7
where id = $1;

-- name: delete_model
update models set deleted_at = now() where id = $1 and deleted_at is null returning id;
