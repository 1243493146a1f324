-- name: list_transactions
-- The newest first. Filters that are null do not apply: $1 account; $2 kinds; $3 and $4 the first and last moment; $5 a
-- part of description, source or model; $6 to leave out; $7 to give. Names are looked up for what is given only.
select
    l.id, l.kind, l.account_id, l.amount, l.created_at, l.request_id, l.attempt, l.source_id, l.description, l.origin,
    l.model, l.key_id, l.actor_id, owner.email as account_email, actor.email as actor_email
from (
    select *
    from ledger_entries
    where ($1::uuid is null or account_id = $1)
        and ($2::text[] is null or kind = any ($2))
        and ($3::timestamptz is null or created_at >= $3)
        and ($4::timestamptz is null or created_at <= $4)
        and (
            $5::text is null or strpos(lower(description), lower($5)) > 0 or strpos(lower(source_id), lower($5)) > 0
            or strpos(lower(model), lower($5)) > 0 or request_id::text = lower($5)
        )
    order by created_at desc, id desc, kind
    offset $6 limit $7
) as l
left join users owner on owner.id = l.account_id
left join users actor on actor.id = l.actor_id
order by l.created_at desc, l.id desc, l.kind;

-- name: count_transactions
-- How many fit, counted up to $6.
select count(*) from (
    select 1
    from ledger_entries
    where ($1::uuid is null or account_id = $1)
        and ($2::text[] is null or kind = any ($2))
        and ($3::timestamptz is null or created_at >= $3)
        and ($4::timestamptz is null or created_at <= $4)
        and (
            $5::text is null or strpos(lower(description), lower($5)) > 0 or strpos(lower(source_id), lower($5)) > 0
            or strpos(lower(model), lower($5)) > 0 or request_id::text = lower($5)
        )
    limit $6
) as found;

-- name: get_transaction
select
    l.id, l.kind, l.account_id, l.amount, l.created_at, l.request_id, l.attempt, l.source_id, l.description, l.origin,
    l.model, l.key_id, l.actor_id, owner.email as account_email, actor.email as actor_email
from ledger_entries l
left join users owner on owner.id = l.account_id
left join users actor on actor.id = l.actor_id
where l.id = $1
order by l.kind
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
            where ($1::uuid is null or account_id = $1)
                and created_at >= $2::timestamptz
                and (created_at, id) > ($2::timestamptz, $3::uuid)
        ),
        0
    );

-- name: account_email
-- Of an account that can be granted something.
select email from users where id = $1 and deleted_at is null and auth_source <> 'system';
