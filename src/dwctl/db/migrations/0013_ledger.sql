-- Credit of accounts: entries that are only ever added, and one balance for each account, moved in the same statement.
-- balance = sum(amount) of an account's entries, at every moment and to the last digit.

create table accounts (
    -- The person or the organization: users.id, whose user_type tells which. No row is a balance of zero. No foreign key:
    -- what was used is booked whatever became of who used it.
    id uuid primary key,
    balance numeric(36, 15) not null default 0,
    -- Null is never low.
    low_balance_threshold numeric(36, 15) check (low_balance_threshold >= 0 and low_balance_threshold <> 'NaN'),
    -- Since when the balance is below the threshold without a break; null when it is not.
    low_since timestamptz,
    updated_at timestamptz not null default now()
    -- Room for the next versions of a row on its page: it is updated with every batch of charges.
) with (fillfactor = 50);

create table ledger_entries (
    -- Of the charge of a request's first attempt the request's own id, so that no further index guards it.
    id uuid not null,
    kind text collate "C" not null check (kind in ('purchase', 'admin_grant', 'admin_removal', 'usage')),
    account_id uuid not null,
    -- Signed: what it adds to the balance.
    amount numeric(36, 15) not null check (amount <> 0 and amount <> 'NaN'),
    -- When it was booked; of a charge that is after its call.
    created_at timestamptz not null default now(),
    -- What it comes from: of a charge the request and its attempt, of all others what its maker named.
    request_id uuid,
    attempt smallint,
    source_id text check (source_id <> ''),
    description text,
    -- Who booked it by hand.
    actor_id uuid,
    -- Of a charge: the key, its creator, the model asked for and the origin. They stay when the request is dropped.
    key_id uuid,
    creator_id uuid,
    model text,
    origin text,
    primary key (id, kind),
    constraint ledger_entries_sign_check check ((amount > 0) = (kind in ('purchase', 'admin_grant'))),
    constraint ledger_entries_source_check check (
        case when kind = 'usage' then request_id is not null and attempt is not null and source_id is null
        else request_id is null and attempt is null and source_id is not null end
    )
);
-- Nothing is booked twice. The first attempt's charge is guarded by the primary key.
create unique index ledger_entries_attempt_key on ledger_entries (request_id, attempt) where attempt > 1;
create unique index ledger_entries_source_key on ledger_entries (source_id) where source_id is not null;
create index ledger_entries_account_idx on ledger_entries (account_id, created_at);
create index ledger_entries_created_at_idx on ledger_entries (created_at);

create function keep_ledger() returns trigger language plpgsql as $$
begin
    raise exception 'entries of the ledger are never changed or deleted; book another one'
        using errcode = 'restrict_violation';
end $$;
create trigger ledger_entries_keep before update or delete or truncate on ledger_entries
    for each statement execute function keep_ledger();

-- The tariff in force when the call began, null for a call of a model without one: it is free. The cost is what the
-- ledger was charged for the row, over all its attempts; null while nothing is known, and for free calls.
alter table requests add column tariff_id uuid, add column cost numeric(36, 15);

-- What attempts cost whose records came too late to change their rows. Rare, and a statement of its own for each row: in
-- the writer's statement it would open every partition each time.
create function add_late_costs(ids uuid[], costs numeric[]) returns integer language plpgsql as $$
begin
    for i in 1 .. coalesce(array_length(ids, 1), 0) loop
        update requests set cost = coalesce(cost, 0) + costs[i] where id = ids[i];
    end loop;
    return coalesce(array_length(ids, 1), 0);
end $$;
