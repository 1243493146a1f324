"""Keys that nobody sees: as which sessions call models, and as which queued work runs."""
