"""Admin plane: one folder per resource, the same file names in each."""
