"""Settings of durable work."""

import msgspec

from dwctl.engine.files.settings import FileSettings


class BatchSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`batches.*`."""

    allowed_url_paths: tuple[str, ...] = (
        "/v1/chat/completions",
        "/v1/completions",
        "/v1/embeddings",
        "/v1/responses",
    )
    """What a line of a file may call."""
    files: FileSettings = FileSettings()
