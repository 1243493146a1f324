"""Hot path: admit, choose, prepare, send, relay, tap, record. Never reaches the database."""
