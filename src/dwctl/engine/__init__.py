"""Durable work. Today stored responses; files, batches and background work are to come."""
