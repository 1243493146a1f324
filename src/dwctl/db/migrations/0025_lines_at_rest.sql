-- Lines and pieces are written once, read a time or two and deleted together. A vacuum because rows were added would read and
-- write all of them once more, and put every page into the log, beside the upload and the batch that wait for them; nobody
-- reads these tables in a way that gains by it. What was deleted is still vacuumed away, and old rows are frozen.
alter table file_lines set (autovacuum_vacuum_insert_threshold = -1);
alter table file_pieces set (autovacuum_vacuum_insert_threshold = -1);

-- Ends lie in the order of time, near enough: of a stretch of it a few blocks are read, and a page keeps the index.
create index requests_completed_idx on requests using brin (completed_at) with (pages_per_range = 32);
