-- Whether chats are translated for a model's server, which knows only responses (routing/snapshot.py). A notice tells of
-- it as of any column that 0002_routing_notices.sql does not name.

alter table models add column chat_completions_adapter boolean not null default false;
