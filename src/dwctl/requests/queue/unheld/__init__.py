"""Statements of outcomes that come when their requests are no longer held by whoever has run them."""
