"""The other way: chats for model servers that know only the Responses API (decision 0044)."""
