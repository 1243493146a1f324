"""How often somebody may try a password: per account and per address, in memory. Pure but for the clock."""

from dwctl.core.clock import Clock
from dwctl.core.errors import TooManyRequests

PER_ACCOUNT = 10
PER_ADDRESS = 50
WINDOW = 300.0
MOST_NAMES = 100_000


class Attempts:
    """Counts tries in a sliding window of five minutes.

    A try counts from its beginning, before the slow hash, so that many at once cannot all slip through; one that
    succeeds is taken back. Past `MOST_NAMES` the name that was tried longest ago is forgotten.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._tries: dict[str, list[float]] = {}

    def begin(self, account: str, address: str) -> None:
        """Count a try, or raise 429 when the account or the address has had too many."""
        names = _names(account, address)
        for name, most in zip(names, (PER_ACCOUNT, PER_ADDRESS), strict=True):
            recent = self._recent(name)
            if len(recent) >= most:
                wait = recent[0] + WINDOW - self._clock.monotonic()
                raise TooManyRequests("Too many failed sign-ins; try again later.", max(1.0, wait))
        for name in names:
            recent = self._recent(name)
            self._tries.pop(name, None)
            self._tries[name] = [*recent, self._clock.monotonic()]
        while len(self._tries) > MOST_NAMES:
            del self._tries[next(iter(self._tries))]

    def succeeded(self, account: str, address: str) -> None:
        """Forget the account's tries, and take the last one of the address back."""
        of_account, of_address = _names(account, address)
        self._tries.pop(of_account, None)
        recent = self._recent(of_address)
        if recent:
            recent.pop()

    def _recent(self, name: str) -> list[float]:
        since = self._clock.monotonic() - WINDOW
        recent = [moment for moment in self._tries.get(name, ()) if moment > since]
        if recent:
            self._tries[name] = recent
        else:
            self._tries.pop(name, None)
        return recent


def _names(account: str, address: str) -> tuple[str, str]:
    return f"account {account.strip().lower()}", f"address {address}"
