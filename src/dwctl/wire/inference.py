"""How another plane has a call made in this process, for somebody whom it has recognised (decision 0025).

Who calls is handed over as an object, the digest of one of their keys. No header says it, so no client can.
"""

from typing import Any, Protocol


class Inference(Protocol):
    """What the gateway is to the control plane; the composition root fills it in."""

    def claims(self, method: str, path: str) -> bool:
        """Whether the gateway answers this path, such as `/ai/v1/chat/completions`."""
        ...

    def knows(self, key_digest: bytes) -> bool:
        """Whether the gateway has heard of this key (SHA-256 of its secret) yet."""
        ...

    async def run(self, path: str, key_digest: bytes, scope: Any, receive: Any, send: Any) -> None:
        """Answer an ASGI request as if it had come to `path` with this key; its own credentials count for nothing."""
        ...
