"""Statements that make the lines of a batch wait, step by step."""
