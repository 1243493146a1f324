"""Which parts of the routing state are stale: what notices named and nobody has re-read yet. Pure."""

import msgspec


class Dirty(msgspec.Struct, kw_only=True):
    """Coalesces a burst of notices without ever dropping one. Notices read `noun:id` or `noun:*`."""

    everything: bool = False
    keys: set[str] = msgspec.field(default_factory=set)
    accounts: set[str] = msgspec.field(default_factory=set)
    models: set[str] = msgspec.field(default_factory=set)
    endpoints: set[str] = msgspec.field(default_factory=set)
    changes: set[str] = msgspec.field(default_factory=set)
    """Ids of the changes that somebody waits for and that were committed before this is read."""

    def __bool__(self) -> bool:
        return bool(self.everything or self.keys or self.accounts or self.models or self.endpoints)

    def add(self, notice: str) -> None:
        """Take one notice. One that cannot be understood, as from a newer program, means everything."""
        noun, _, ident = notice.partition(":")
        named = {
            "api_keys": self.keys,
            "users": self.accounts,
            "models": self.models,
            "endpoints": self.endpoints,
        }.get(noun)
        if named is None or ident in ("", "*"):
            self.everything = True
        else:
            named.add(ident)

    def merge(self, other: "Dirty") -> None:
        """Take back what could not be read."""
        self.everything = self.everything or other.everything
        self.keys |= other.keys
        self.accounts |= other.accounts
        self.models |= other.models
        self.endpoints |= other.endpoints
        self.changes |= other.changes
