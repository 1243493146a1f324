"""Queued work: lanes, claims, and what becomes of them. Decision 0034."""
