"""Anthropic's Messages API to and from chat completions: requests, replies, streams and errors. Pure."""
