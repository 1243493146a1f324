-- Limits of time of one endpoint, in seconds: an object with any of connect, first_byte, idle, total. What is missing,
-- or null as a whole, is as in the settings. The trigger of 0002 tells of a change, for it reads every column.
alter table endpoints add column timeouts jsonb check (timeouts is null or jsonb_typeof(timeouts) = 'object');
