-- part: entry_fits
-- Filters that are null do not apply: $1 account; $2 kinds; $3 and $4 the first and last moment; $5 a part of description,
-- source or model.
($1::uuid is null or account_id = $1)
    and ($2::text[] is null or kind = any ($2))
    and ($3::timestamptz is null or created_at >= $3)
    and ($4::timestamptz is null or created_at <= $4)
    and (
        $5::text is null or strpos(lower(description), lower($5)) > 0
        or strpos(lower(source_id), lower($5)) > 0 or strpos(lower(model), lower($5)) > 0
        or request_id::text = lower($5)
    )

-- part: batch_fits
-- The same of a batch's charges as one entry.
charged_at is not null
    and ($1 is null or owner_id = $1)
    and ($2 is null or 'usage' = any ($2))
    and ($3 is null or charged_at >= $3)
    and ($4 is null or charged_at <= $4)
    and ($5 is null or strpos(lower(file_name), lower($5)) > 0 or id::text = lower($5))

-- part: entry_is_later
-- Than the entry ($2, $3), in the account $1 or, when that is null, in any.
($1::uuid is null or account_id = $1)
    and created_at >= $2::timestamptz and (created_at, id) > ($2::timestamptz, $3::uuid)

-- name: list_transactions
-- The newest first: $6 to leave out; $7 to give. Lines of batches and everything else lie in indexes of their own; both are
-- read in their order, as far as they can be needed. Here and below the key of somebody's session, which nobody lists, is
-- not named.
-- row: dwctl.control.transactions.store:Row
select
    l.id, l.kind, l.account_id, l.amount, l.created_at, l.request_id, l.attempt, l.source_id, l.description, l.origin,
    l.model, case when s.id is null then l.key_id end as key_id, l.actor_id, l.batch_id, b.completion_window,
    null::integer as charges, owner.email as account_email, actor.email as actor_email
from (
    select *
    from (
        (
            select *
            from ledger_entries
            where batch_id is null and {{entry_fits}}
            order by created_at desc, id desc, kind
            limit $6::bigint + $7::bigint
        )
        union all
        (
            select *
            from ledger_entries
            where batch_id is not null and {{entry_fits}}
            order by created_at desc, id desc, kind
            limit $6::bigint + $7::bigint
        )
    ) as halves
    order by created_at desc, id desc, kind
    offset $6 limit $7
) as l
left join batches b on b.id = l.batch_id
left join users owner on owner.id = l.account_id
left join users actor on actor.id = l.actor_id
left join api_keys s on s.id = l.key_id and s.hidden
order by l.created_at desc, l.id desc, l.kind;

-- name: count_transactions
-- How many fit, counted up to $6.
select least(
    $6::bigint,
    (
        select count(*) from (
            select 1
            from ledger_entries
            where batch_id is null and {{entry_fits}}
            limit $6
        ) as found
    ) + (
        select count(*) from (
            select 1
            from ledger_entries
            where batch_id is not null and {{entry_fits}}
            limit $6
        ) as found
    )
);

-- name: list_grouped
-- The same with the charges of each batch as one entry, at the moment of the first of them. Its sum lies with the batch,
-- so no line is read. Both parts are read in their order, as far as they can be needed.
-- row: dwctl.control.transactions.store:Row
select
    m.id, m.kind, m.account_id, m.amount, m.created_at, m.request_id, m.attempt, m.source_id, m.description, m.origin,
    m.model, case when s.id is null then m.key_id end as key_id, m.actor_id, m.batch_id, m.completion_window, m.charges,
    owner.email as account_email, actor.email as actor_email
from (
    (
        select
            id, kind, account_id, amount, created_at, request_id, attempt, source_id, description, origin, model, key_id,
            actor_id, batch_id, null::text as completion_window, null::integer as charges
        from ledger_entries
        where batch_id is null and {{entry_fits}}
        order by created_at desc, id desc, kind
        limit $6::bigint + $7::bigint
    )
    union all
    (
        select
            id, 'usage' as kind, owner_id, -cost, charged_at, null, null, id::text as source_id, null, 'batch', null,
            key_id, null, id as batch_id, completion_window, charges
        from batches
        where {{batch_fits}}
        order by charged_at desc, batches.id desc
        limit $6::bigint + $7::bigint
    )
) as m
left join users owner on owner.id = m.account_id
left join users actor on actor.id = m.actor_id
left join api_keys s on s.id = m.key_id and s.hidden
order by m.created_at desc, m.id desc, m.kind
offset $6 limit $7;

-- name: count_grouped
-- How many of them fit, counted up to $6.
select least(
    $6::bigint,
    (
        select count(*) from (
            select 1
            from ledger_entries
            where batch_id is null and {{entry_fits}}
            limit $6
        ) as found
    ) + (
        select count(*) from (
            select 1
            from batches
            where {{batch_fits}}
            limit $6
        ) as found
    )
);

-- name: get_transaction
-- An entry, or all charges of a batch as one.
-- row: dwctl.control.transactions.store:Row
select
    f.id, f.kind, f.account_id, f.amount, f.created_at, f.request_id, f.attempt, f.source_id, f.description, f.origin,
    f.model, case when s.id is null then f.key_id end as key_id, f.actor_id, f.batch_id, f.completion_window, f.charges,
    owner.email as account_email, actor.email as actor_email
from (
    select
        l.id, l.kind, l.account_id, l.amount, l.created_at, l.request_id, l.attempt, l.source_id, l.description,
        l.origin, l.model, l.key_id, l.actor_id, l.batch_id, b.completion_window, null::integer as charges
    from ledger_entries l
    left join batches b on b.id = l.batch_id
    where l.id = $1
    union all
    select
        id, 'usage', owner_id, -cost, charged_at, null, null, id::text, null, 'batch', null, key_id, null, id as batch_id,
        completion_window, charges
    from batches
    where id = $1 and charged_at is not null
) as f
left join users owner on owner.id = f.account_id
left join users actor on actor.id = f.actor_id
left join api_keys s on s.id = f.key_id and s.hidden
order by f.charges nulls first, f.kind
limit 1;

-- name: balance_after
-- The balance once the entry ($2, $3) was booked, and those before it: what came later taken off again. Null entry: now.
-- $1 account, null for all of them together.
select
    coalesce((select sum(balance) from accounts where $1::uuid is null or id = $1), 0)
    - coalesce(
        (
            select sum(amount)
            from ledger_entries
            where batch_id is null and {{entry_is_later}}
        ),
        0
    )
    - coalesce(
        (
            select sum(amount)
            from ledger_entries
            where batch_id is not null and {{entry_is_later}}
        ),
        0
    );

-- name: balance_after_grouped
-- The same where all charges of a batch count from the first of them on.
select
    coalesce((select sum(balance) from accounts where $1::uuid is null or id = $1), 0)
    - coalesce(
        (
            select sum(amount)
            from ledger_entries
            where batch_id is null and {{entry_is_later}}
        ),
        0
    )
    + coalesce(
        (
            select sum(cost)
            from batches
            where ($1::uuid is null or owner_id = $1)
                and charged_at >= $2::timestamptz
                and (charged_at, id) > ($2::timestamptz, $3::uuid)
        ),
        0
    );

-- name: account_email
-- Of an account that can be granted something.
select email from users where id = $1 and deleted_at is null and auth_source <> 'system';
