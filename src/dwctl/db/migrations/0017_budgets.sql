-- Budgets of accounts and keys: how much of calls that begin in a period may be charged (ADR 0032). Null does not bind.
-- The notices of these tables (0002) compare whole rows, so that a changed budget reaches the gateways without more.

alter table users
    add column budget_amount numeric(36, 15) check (budget_amount between 0 and 1e12),
    add column budget_period text check (budget_period in ('day', 'week', 'month', 'total')),
    add constraint users_budget_check check ((budget_amount is null) = (budget_period is null));

alter table api_keys
    add column budget_amount numeric(36, 15) check (budget_amount between 0 and 1e12),
    add column budget_period text check (budget_period in ('day', 'week', 'month', 'total')),
    -- What an administrator has set: the key's owner may go below it, and no further than that.
    add column budget_ceiling numeric(36, 15) check (budget_ceiling between 0 and 1e12),
    add constraint api_keys_budget_check check (
        (budget_amount is null) = (budget_period is null)
        and (budget_ceiling is null or (budget_amount is not null and budget_amount <= budget_ceiling))
    );

-- The day in UTC on which a call was admitted, whenever its charge is booked: its reservation was made in the periods of
-- that day. Null in charges from before this column, whose day is that of their booking.
alter table ledger_entries add column called_on date;

-- Whether what the account and its keys spend is counted in budget_spend. Set once, by the first budget, and never taken
-- back. It stands in this row because the writer's statement locks it and reads it as it then is: so a charge that is
-- booked while a budget is being made is either in the history that is counted, or counts itself.
alter table accounts add column counted boolean not null default false;

-- What was charged, by day and in all, of counted accounts and their keys:
-- spent = sum of the charges of the account or key whose called_on is that day.
create table budget_spend (
    scope text collate "C" not null check (scope in ('account', 'key')),
    id uuid not null,
    -- '-infinity' has the sum of all days.
    day date not null,
    spent numeric(36, 15) not null check (spent <> 'NaN'),
    primary key (scope, id, day)
) with (fillfactor = 50);

-- Credit is lent out of budgets as it is out of balances. A pocket is an account's credit, named by its id, or what is left
-- of a budget in one of its periods (usage/budgets/windows.py).
alter table credit_leases rename column account_id to pocket;
alter table credit_leases alter column pocket type text collate "C" using pocket::text;
