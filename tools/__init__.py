"""The repository's own rules, as programs."""
