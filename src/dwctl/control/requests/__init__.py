"""The resource requests."""
