"""Which keys a notice means: the snapshot knows keys by digest, notices name keys and accounts by id. Pure."""

from collections.abc import Iterable

from dwctl.routing.snapshot import Key


class KeyIndex:
    """Digests by key id, and key ids by the accounts that own or made them."""

    def __init__(self) -> None:
        self._digests: dict[str, bytes] = {}
        self._of_account: dict[str, set[str]] = {}

    def digest(self, ident: str) -> bytes | None:
        """Under which digest the snapshot has this key."""
        return self._digests.get(ident)

    def of_accounts(self, accounts: Iterable[str]) -> set[str]:
        """The ids of every key that one of these accounts owns or has made."""
        return {ident for account in accounts for ident in self._of_account.get(account, ())}

    def add(self, digest: bytes, key: Key) -> None:
        """Note a key that the snapshot has from now on."""
        self._digests[key.id] = digest
        for account in {key.owner_id, key.creator_id}:
            self._of_account.setdefault(account, set()).add(key.id)

    def remove(self, key: Key) -> None:
        """Forget a key."""
        self._digests.pop(key.id, None)
        for account in {key.owner_id, key.creator_id}:
            ids = self._of_account.get(account)
            if ids is not None:
                ids.discard(key.id)
                if not ids:
                    del self._of_account[account]
