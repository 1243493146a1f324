-- What callers pay for tokens, and what the operator pays for them. All prices are for one token, in the currency of the
-- installation, exact to 15 decimals. Bounded, so that no number of tokens of a call makes a sum that the ledger cannot
-- hold; a comparison is false for NaN on one side only, hence two.

create table model_tariffs (
    id uuid primary key,
    -- A tariff outlives its model, because calls and their charges name it.
    model_id uuid references models (id) on delete set null,
    name text not null check (btrim(name) <> ''),
    -- Null is for calls of every purpose that has no tariff of its own.
    purpose text check (purpose in ('realtime', 'platform', 'batch', 'playground')),
    completion_window text check (btrim(completion_window) <> ''),
    input_price numeric(20, 15) not null check (input_price >= 0 and input_price < 100000),
    output_price numeric(20, 15) not null check (output_price >= 0 and output_price < 100000),
    -- Null is the price of input, and of output.
    cached_input_price numeric(20, 15) check (cached_input_price >= 0 and cached_input_price < 100000),
    reasoning_price numeric(20, 15) check (reasoning_price >= 0 and reasoning_price < 100000),
    valid_from timestamptz not null default now(),
    -- Null while it is in force.
    valid_until timestamptz check (valid_until >= valid_from),
    -- Work of a batch is priced by the time it may take, other calls have none.
    constraint model_tariffs_window_check check ((purpose is not distinct from 'batch') = (completion_window is not null))
);
create unique index model_tariffs_open_key on model_tariffs (
    model_id, coalesce(purpose, ''), coalesce(completion_window, '')
) where valid_until is null;
create index model_tariffs_model_id_idx on model_tariffs (model_id, valid_from);

-- A call keeps its tariff's id and not the prices, so they never change: a tariff is closed, and another one opened.
create function keep_tariff() returns trigger language plpgsql as $$
begin
    if tg_op = 'UPDATE' and old.valid_until is null
        and (to_jsonb(new) - '{valid_until,model_id}'::text[]) = (to_jsonb(old) - '{valid_until,model_id}'::text[]) then
        return new;
    end if;
    if tg_op = 'UPDATE' and new.model_id is null and (to_jsonb(new) - 'model_id') = (to_jsonb(old) - 'model_id') then
        return new;
    end if;
    raise exception 'tariffs are closed, never changed or deleted' using errcode = 'restrict_violation';
end $$;
create trigger model_tariffs_keep before update or delete on model_tariffs for each row execute function keep_tariff();

-- A tariff is a part of its model.
create trigger model_tariffs_notice_insert after insert on model_tariffs referencing new table as new_rows
    for each statement execute function notify_routing('models', 'model_id', '');
create trigger model_tariffs_notice_update after update on model_tariffs
    referencing old table as old_rows new table as new_rows
    for each statement execute function notify_routing('models', 'model_id', '');

-- Shown to operators; no call is charged by it, so nothing is told of a change.
create table provider_prices (
    -- A standard model is one target.
    model_id uuid primary key references models (id) on delete cascade,
    mode text not null check (mode in ('per_token', 'hourly')),
    input_price numeric(20, 15) check (input_price >= 0 and input_price < 100000),
    output_price numeric(20, 15) check (output_price >= 0 and output_price < 100000),
    cached_input_price numeric(20, 15) check (cached_input_price >= 0 and cached_input_price < 100000),
    reasoning_price numeric(20, 15) check (reasoning_price >= 0 and reasoning_price < 100000),
    hourly_rate numeric(20, 15) check (hourly_rate >= 0 and hourly_rate < 100000),
    -- Which part of an hour's price a token of input stands for, against one of output.
    input_ratio numeric(20, 15) check (input_ratio >= 0 and input_ratio < 100000),
    updated_at timestamptz not null default now()
);
