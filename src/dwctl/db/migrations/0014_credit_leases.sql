-- How much of an account's credit each process may still cause to be charged (usage/credit/leases.py, ADR 0029):
-- available = balance - sum(outstanding). Written under an advisory lock of the account, never together with a charge.

create table credit_leases (
    account_id uuid not null,
    -- The process: daemons.id. No foreign key: a lease is ended by whoever commits what its holder left.
    holder uuid not null,
    installation_id uuid not null,
    outstanding numeric(36, 15) not null check (outstanding >= 0 and outstanding <> 'NaN'),
    -- Of the holder's newest report; one with a smaller number came late.
    serial bigint not null,
    -- The holder keeps nothing free.
    bare boolean not null,
    -- Somebody lacks what is kept here.
    recalled boolean not null default false,
    expires_at timestamptz not null,
    primary key (account_id, holder)
) with (fillfactor = 50);
create index credit_leases_holder_idx on credit_leases (holder);
