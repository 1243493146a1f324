-- What a call used, beyond the counts that were there already (decision 0030). prompt_tokens include what a cache gave
-- (cached_tokens) and took (cache_write_tokens); completion_tokens include reasoning_tokens.

alter table requests
    add column cache_write_tokens integer,
    add column audio_seconds real,
    -- Whether a count is ours, for the upstream did not tell it.
    add column estimated boolean not null default false;
