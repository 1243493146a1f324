"""What goes where: snapshot, access, choice, sync from Postgres."""
