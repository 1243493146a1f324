-- What housekeeping looks for, each found by an index that holds little else: output and error files without an end of
-- their own, and rows whose ids lie in no day.
create index files_outputs_idx on files (created_at)
    where status = 'processed' and expires_at is null and purpose in ('batch_output', 'batch_error');
create index requests_default_created_idx on requests_default (created_at) where state >= 3;
