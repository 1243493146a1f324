"""Bodies of forms and files: read piece by piece, kept on disk when large, sent on from there."""
