"""Hot path: admit, choose, prepare, send, relay, record. Never reaches the database."""
