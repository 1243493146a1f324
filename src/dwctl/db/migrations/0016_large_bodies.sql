-- Large bodies as they came: PostgreSQL takes 26 ms of a core to compress a megabyte, while calls wait for that core.
-- Smaller ones stay compressed; where the line is drawn is a setting (recording.compress_up_to_bytes).
alter table request_bodies
    add column large_request bytea,
    add column large_response bytea;
alter table request_bodies
    alter column large_request set storage external,
    alter column large_response set storage external;
