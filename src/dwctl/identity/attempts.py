"""How often somebody may try a password: per account and per address, in memory. Pure but for the clock."""

from dwctl.core.clock import Clock
from dwctl.core.errors import TooManyRequests

PER_ACCOUNT = 10
PER_ADDRESS = 50
WINDOW = 300.0
MOST_NAMES = 100_000


class Attempts:
    """Counts failures in a sliding window of five minutes; a success forgets the account's."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._failures: dict[str, list[float]] = {}

    def check(self, account: str, address: str) -> None:
        """Raise 429 when either has failed too often."""
        for name, most in ((f"account {account.lower()}", PER_ACCOUNT), (f"address {address}", PER_ADDRESS)):
            recent = self._recent(name)
            if len(recent) >= most:
                wait = recent[0] + WINDOW - self._clock.monotonic()
                raise TooManyRequests("Too many failed sign-ins; try again later.", max(1.0, wait))

    def failed(self, account: str, address: str) -> None:
        """Count a failure."""
        if len(self._failures) > MOST_NAMES:
            self._failures = {name: times for name in list(self._failures) if (times := self._recent(name))}
        for name in (f"account {account.lower()}", f"address {address}"):
            self._failures.setdefault(name, []).append(self._clock.monotonic())

    def succeeded(self, account: str) -> None:
        """Forget the account's failures."""
        self._failures.pop(f"account {account.lower()}", None)

    def _recent(self, name: str) -> list[float]:
        since = self._clock.monotonic() - WINDOW
        recent = [moment for moment in self._failures.get(name, ()) if moment > since]
        if recent:
            self._failures[name] = recent
        else:
            self._failures.pop(name, None)
        return recent
