"""The state of one limit: what this process has let through, together with what the others have (ADR 0021)."""

from collections.abc import Iterator

import msgspec

from dwctl.routing.limit_table import (
    ACTIVE,
    CALLS,
    STAMP,
    TOKENS,
    WASTES,
    WHOLE_CELL,
    SharedTable,
    stamp_of,
    tag_of,
)
from dwctl.routing.limits import MINUTE, ONE, Bucket, Kind, Limits, Scope

CONCURRENCY_WAIT = 1.0
"""Seconds after which to try again when calls have to end first: nobody knows when they will."""
IDLE = 60.0
"""Seconds without a call before the state of a limit that is as good as new may be forgotten."""


class Refusal(msgspec.Struct, frozen=True):
    """Why a call may not go on."""

    scope: Scope
    kind: Kind
    wait: float
    """Seconds after which it may be tried again."""
    tally: "Tally"


class Tally:
    """Belongs to a limit's id, not to its `Limits` object, which is a new one after every reload."""

    __slots__ = (
        "_links",
        "_place",
        "_stamp",
        "_table",
        "_tag",
        "_total_calls",
        "_total_tokens",
        "active",
        "calls",
        "in_use",
        "limits",
        "minute",
        "most",
        "second",
        "token_bucket",
        "tokens",
        "used_at",
    )

    def __init__(self, limits: Limits, now: float, table: SharedTable | None = None) -> None:
        self.limits = limits
        self.calls = 0
        """Calls of this process."""
        self.tokens = 0
        """Tokens of this process."""
        self.active = 0
        """Calls of this process that have not ended, limited or not: while there are any, the state is kept."""
        self.in_use = 0
        """The same of all processes, when it was last looked at."""
        self.used_at = now
        """When it was last asked or told."""
        self._total_calls = 0.0
        self._total_tokens = 0.0
        self._table = table
        self._place = -1
        """Where this process publishes its numbers in the shared table."""
        self._links: list[int] = []
        """Where the others publish theirs, by column; -1 where they have none."""
        self._tag = self._stamp = 0
        self._configure(limits)
        if table is not None:
            self._join(table)

    @property
    def shared(self) -> bool:
        """Whether the other processes see this one's numbers. If not, it keeps to its share of the limit."""
        return self._table is None or self._place >= 0

    def adapt(self, limits: Limits, now: float) -> None:
        """The same thing has other limits from now on."""
        if limits != self.limits:
            self.look(now)
            old = self.buckets()
            if self._table is not None and self._place >= 0:
                # Until the new numbers are there, nobody takes the old ones for theirs.
                self._table.stamps[self._place + STAMP] = 0
            self._configure(limits)
            self._shrink()
            for kind, bucket in self.buckets().items():
                used = self._total_tokens if kind is Kind.TOKENS_PER_MINUTE else self._total_calls
                if kind in old:
                    bucket.follow(old[kind], now, used)
                else:
                    bucket.look(now, used)
            self._publish()
        self.limits = limits

    def look(self, now: float) -> bool:
        """Bring everything up to date with a moment. Whether the rates let one more call through."""
        calls: float = self.calls
        tokens: float = self.tokens
        self.in_use = self.active
        if self._links:
            calls, tokens = self._with_others(calls, tokens)
        self._total_calls = calls
        self._total_tokens = tokens
        enough = True
        bucket = self.second
        if bucket is not None and bucket.look(now, calls) < ONE:
            enough = False
        bucket = self.minute
        if bucket is not None and bucket.look(now, calls) < ONE:
            enough = False
        bucket = self.token_bucket
        if bucket is not None and bucket.look(now, tokens) < ONE:
            enough = False
        return enough

    def full(self, now: float) -> bool:
        """Whether no more calls may run at once, after a look. Slots of processes that died do not count."""
        if self.most is None or self.in_use < self.most:
            return False
        if self.in_use > self.active and self._table is not None and self._table.bury(now):
            self.look(now)
        return self.in_use >= self.most

    def enter(self) -> None:
        """One more call; what is left stays up to date for whoever shows it."""
        self.calls += 1
        self.active += 1
        self.in_use += 1
        if self.second is not None:
            self.second.left -= 1.0
        if self.minute is not None:
            self.minute.left -= 1.0
        if self._place >= 0:
            self._publish()

    def charge(self, now: float, tokens: int) -> None:
        """A call has used so many tokens."""
        # What the bucket has lost until now has to be known before more is taken from it.
        if self._links:
            self.look(now)
        elif self.token_bucket is not None:
            self.token_bucket.look(now, self.tokens)
        self.tokens += tokens
        if self._place >= 0:
            self._publish()

    def leave(self) -> None:
        """A call has ended."""
        self.active -= 1
        if self._table is not None and self._place >= 0:
            self._table.numbers[self._place + ACTIVE] = self.active

    def undo(self) -> None:
        """A call that entered did not take place."""
        self.calls -= 1
        self.active -= 1
        if self._place >= 0:
            self._publish()

    def idle(self, now: float) -> bool:
        """Whether forgetting it would change nothing: no call under way anywhere, every bucket full, nobody here."""
        if self.active or now - self.used_at < IDLE:
            return False
        before = (self._total_calls, self._total_tokens)
        self.look(now)
        if before != (self._total_calls, self._total_tokens):
            # Another process uses it: so much the later.
            self.used_at = now
            return False
        if self.in_use:
            return False
        return all(bucket.left >= bucket.burst for bucket in self.buckets().values())

    def forget(self) -> None:
        """Give up the place in the shared table."""
        if self._table is not None and self._place >= 0:
            self._table.free(self._place)
            self._place = -1

    def refusal(self, scope: Scope) -> Refusal:
        """Why a look said no: the rate that takes longest to let a call through."""
        kind, bucket = max(self.buckets().items(), key=lambda pair: pair[1].wait())
        return Refusal(scope, kind, bucket.wait(), self)

    def buckets(self) -> dict[Kind, Bucket]:
        """The rates that are limited."""
        return dict(self._buckets())

    def _buckets(self) -> Iterator[tuple[Kind, Bucket]]:
        if self.second is not None:
            yield Kind.REQUESTS_PER_SECOND, self.second
        if self.minute is not None:
            yield Kind.REQUESTS_PER_MINUTE, self.minute
        if self.token_bucket is not None:
            yield Kind.TOKENS_PER_MINUTE, self.token_bucket

    def _configure(self, limits: Limits) -> None:
        rate, minute, tokens = (
            limits.requests_per_second,
            limits.requests_per_minute,
            limits.tokens_per_minute,
        )
        what = limits.id.partition(":")[0]
        self.second = None if rate is None else Bucket(f"{what}-second", limits.burst, limits.burst / rate)
        self.minute = None if minute is None else Bucket(f"{what}-minute", minute, MINUTE)
        self.token_bucket = None if tokens is None else Bucket(f"{what}-tokens", tokens, MINUTE)
        self.most = limits.max_concurrent
        if self._table is not None:
            self._stamp = stamp_of(rate, limits.burst, minute, tokens)

    def _join(self, table: SharedTable) -> None:
        self._tag = tag_of(self.limits.id)
        self._place = place = table.place(self._tag)
        if place < 0:
            self._shrink()
            return
        # Where an earlier incarnation of this process has left its numbers, they go on counting.
        self.calls = int(table.numbers[place + CALLS])
        self.tokens = int(table.numbers[place + TOKENS])
        if table.stamps[place + STAMP] == self._stamp:
            for index, bucket in enumerate((self.second, self.minute, self.token_bucket)):
                if bucket is not None:
                    bucket.waste = table.numbers[place + WASTES + index]
        self._links = [-1] * len(table.others)

    def _shrink(self) -> None:
        """No room in the shared table: keep to this process's part of the limit, whatever the others do."""
        if self._table is None or self._place >= 0:
            return
        part = 1.0 / self._table.workers
        for bucket in self.buckets().values():
            bucket.share(part)
        if self.most is not None:
            self.most = max(1, int(self.most * part))

    def _with_others(self, calls: float, tokens: float) -> tuple[float, float]:
        table = self._table
        if table is None:
            return calls, tokens
        view, stamps, tag, links, read = (
            table.view,
            table.stamps,
            self._tag,
            self._links,
            WHOLE_CELL.unpack_from,
        )
        for index, other in enumerate(table.others):
            place = links[index]
            if place < 0 or stamps[place] != tag:
                place = links[index] = table.find(other, tag)
                if place < 0:
                    continue
            found, stamp, its_calls, its_tokens, active, second, minute, third = read(view, place * 8)
            if found != tag:
                continue
            calls += its_calls
            tokens += its_tokens
            if other.lives or table.returned(other):
                self.in_use += int(active)
            if stamp == self._stamp:
                bucket = self.second
                if bucket is not None and second > bucket.waste:
                    bucket.waste = second
                bucket = self.minute
                if bucket is not None and minute > bucket.waste:
                    bucket.waste = minute
                bucket = self.token_bucket
                if bucket is not None and third > bucket.waste:
                    bucket.waste = third
        return calls, tokens

    def _publish(self) -> None:
        table, place = self._table, self._place
        if table is None or place < 0:
            return
        # One by one: struct's pack_into clears the room before it writes, and the others would read zeros.
        numbers = table.numbers
        numbers[place + CALLS] = self.calls
        numbers[place + TOKENS] = self.tokens
        numbers[place + ACTIVE] = self.active
        if self.second is not None:
            numbers[place + WASTES] = self.second.waste
        if self.minute is not None:
            numbers[place + WASTES + 1] = self.minute.waste
        if self.token_bucket is not None:
            numbers[place + WASTES + 2] = self.token_bucket.waste
        table.stamps[place + STAMP] = self._stamp
