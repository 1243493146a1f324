"""Domain-free: errors, ids, clock, settings, sealing, services, logs, metrics."""
