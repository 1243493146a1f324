"""The resource groups."""
