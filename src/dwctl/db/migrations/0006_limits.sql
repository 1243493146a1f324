-- Limits of rate and concurrency (routing/limits.py). Null does not limit. The notices of these tables (0002) compare
-- whole rows, so that a changed limit reaches the gateways without more.

alter table api_keys
    add column requests_per_minute integer check (requests_per_minute > 0),
    add column tokens_per_minute bigint check (tokens_per_minute > 0),
    add column max_concurrent integer check (max_concurrent > 0);

alter table models
    add column requests_per_second double precision check (requests_per_second > 0),
    add column burst_size integer check (burst_size > 0),
    add column requests_per_minute integer check (requests_per_minute > 0),
    add column tokens_per_minute bigint check (tokens_per_minute > 0),
    -- How many calls may run at once; the two others are for queued work, which reads them there.
    add column capacity integer check (capacity > 0),
    add column batch_capacity integer check (batch_capacity > 0),
    add column throughput double precision check (throughput > 0);

alter table endpoints
    add column requests_per_second double precision check (requests_per_second > 0),
    add column burst_size integer check (burst_size > 0),
    add column requests_per_minute integer check (requests_per_minute > 0),
    add column tokens_per_minute bigint check (tokens_per_minute > 0),
    add column max_concurrent integer check (max_concurrent > 0);
