"""Calls of models from the dashboard: with a session instead of a key (spec/platform §0.4)."""
