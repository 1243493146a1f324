"""Durable work: files, batches, responses. Empty until the engine lands."""
