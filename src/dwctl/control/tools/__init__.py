"""The resource tool sources: tools that the server runs for models."""
