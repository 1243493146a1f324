"""Statements of what people ask for of a batch that is there: cancelling it, retrying what failed."""
