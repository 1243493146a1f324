-- How a target wants to be told how much to think (wire/reasoning.py); null passes the client's words on as they are.
-- Changes are noticed by the trigger that watches every column of models but those it is told to leave out.
alter table models add column reasoning_translation jsonb check (jsonb_typeof(reasoning_translation) = 'object');
