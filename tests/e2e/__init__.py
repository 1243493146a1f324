"""The dashboard in a real browser, against the real product (issue: the front door)."""
