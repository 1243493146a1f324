"""The Responses API to and from chat completions: requests, replies, streams and errors. Pure."""
