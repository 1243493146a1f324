"""Commands: thin, one module each."""
