"""A change of the routing state that its author waits for."""

from contextlib import AbstractAsyncContextManager
from typing import Protocol

import msgspec


class Change(msgspec.Struct):
    """Whether the transaction changed anything: if not, no notice comes and there is nothing to wait for."""

    made: bool = True


class Propagation(Protocol):
    """How a change reaches the gateway before its answer reaches the caller; the routing state's sync implements it."""

    def confirm(self, noun: str, ident: str) -> AbstractAsyncContextManager[Change]:
        """Around a transaction: leaves once the processes here apply the change, or after 2 s."""
        ...
