-- Work that one process at a time does for all: who does it, and until when unless it says so again (db/lease.py).
create table leases (
    name text primary key,
    holder uuid not null,
    expires_at timestamptz not null
);
