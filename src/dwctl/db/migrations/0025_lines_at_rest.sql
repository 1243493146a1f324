-- Lines and pieces are written once, read a time or two and deleted together. A vacuum because rows were added would read and
-- write all of them once more, and put every page into the log, beside the upload and the batch that wait for them; nobody
-- reads these tables in a way that gains by it. What was deleted is still vacuumed away, and old rows are frozen.
alter table file_lines set (autovacuum_vacuum_insert_threshold = -1);
alter table file_pieces set (autovacuum_vacuum_insert_threshold = -1);

-- Ends lie in the order of time, near enough: of a stretch of it a few blocks are read, and a page keeps the index. What
-- waits is not in it, so that populating pays nothing for it.
create index requests_completed_idx on requests using brin (completed_at) with (pages_per_range = 32) where completed_at is not null;

alter table files
    -- Of an output or error file: its end is the default's, counted from the end of its batch, and moves with that.
    add column ends_by_default boolean not null default false,
    -- Of one that is deleted: the answers up to this position are gone.
    add column cleared integer not null default 0;
-- Outputs of batches that go on, or have just ended.
create index files_endless_idx on files (id) where status = 'processed' and expires_at is null and batch_id is not null;
