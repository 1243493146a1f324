-- What whoever looks into a call is told beside its row. What was written before says neither.

-- The item of the response that a call of a tool is: so each item finds what became of it.
alter table tool_calls add column item_id text;

-- When events of a background stream were shown at the earliest.
alter table response_events add column written_at timestamptz;
alter table response_events alter column written_at set default now();
