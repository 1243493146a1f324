-- The newest calls of one model, read page by page (control/requests). Ids rise, so an insert touches the last page of
-- each model's part only.
create index requests_model_idx on requests (model, id);
