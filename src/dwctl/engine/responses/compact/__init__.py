"""A conversation summed up by a model: `POST /ai/v1/responses/compact`."""
