"""Conversations: what was said in order, for calls that go on from it (decision 0038)."""
