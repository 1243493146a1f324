"""Domain-free: errors, ids, clock, settings loading, services, batching, logging, metrics."""
