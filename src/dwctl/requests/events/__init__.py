"""The events of background streams, kept so that any number of clients can read and resume them. Decision 0039."""
