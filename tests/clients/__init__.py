"""Clients that people use, each in the versions of its lock file, against a running product."""
