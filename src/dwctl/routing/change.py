"""A change of the routing state that its author waits for."""

import msgspec


class Change(msgspec.Struct):
    """Whether the transaction changed anything: if not, no notice comes and there is nothing to wait for."""

    made: bool = True
