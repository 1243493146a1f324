"""How long rows of calls are kept."""
