"""How a change reaches the gateway before its answer reaches the caller."""

from contextlib import AbstractAsyncContextManager
from typing import Protocol

from dwctl.routing.change import Change


class Propagation(Protocol):
    """Filled in by the composition root with the routing state's sync."""

    def confirm(self, noun: str, ident: str) -> AbstractAsyncContextManager[Change]:
        """Around a transaction: leaves once the processes here apply the change, or after 2 s."""
        ...
