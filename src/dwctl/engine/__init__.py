"""Durable work: files, batches, queued calls, and what runs them. Decision 0034."""
