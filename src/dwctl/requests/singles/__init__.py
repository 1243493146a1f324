"""Single calls by their id: cancelled, deleted, asked for twice."""
