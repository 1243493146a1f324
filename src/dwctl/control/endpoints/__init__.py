"""The resource endpoints."""
