"""Durable work. Today stored responses and files; batches and background work are to come."""
