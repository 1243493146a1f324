-- name: list_components
-- Of the composite models $1, in the order of their priorities; a deleted model is no component. $2 limits them to one.
select
    c.pool_id, c.weight, c.enabled, c.sort_order, c.created_at,
    m.id, m.alias, m.model_name, m.description, m.type, e.id as endpoint_id, e.name as endpoint_name
from model_components c
join models m on m.id = c.component_id and m.deleted_at is null
join endpoints e on e.id = m.endpoint_id
where c.pool_id = any ($1) and ($2::uuid is null or c.component_id = $2)
order by c.pool_id, c.sort_order, c.created_at, c.id;

-- name: add_component
insert into model_components (id, pool_id, component_id, weight, enabled, sort_order)
values (
    $1, $2, $3, $4, $5,
    coalesce($6, (select coalesce(max(sort_order) + 1, 0) from model_components where pool_id = $2))
);

-- name: update_component
update model_components set weight = $3, enabled = $4, sort_order = $5 where pool_id = $1 and component_id = $2;

-- name: remove_component
delete from model_components where pool_id = $1 and component_id = $2 returning id;
