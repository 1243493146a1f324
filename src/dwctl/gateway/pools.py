"""Everything that outlives a call to a model with several targets: loads, health, retry budgets.

All of it belongs to this process and survives changes of the routing state, because it is kept by target and by model
and not in the snapshot.
"""

import logging
from collections.abc import Callable
from enum import StrEnum

import msgspec

from dwctl.core.clock import Clock
from dwctl.core.metrics import Metrics
from dwctl.gateway.gate import Gate
from dwctl.gateway.pool_counts import PoolCounts
from dwctl.gateway.rendered import Rendered
from dwctl.gateway.settings import HealthSettings, PoolSettings
from dwctl.gateway.upstream.connection import Failure
from dwctl.gateway.upstream.response_head import Head
from dwctl.gateway.verdict import retry_after
from dwctl.routing.budget import Bucket
from dwctl.routing.choice import Choice, Member, Pick, no_limits
from dwctl.routing.condition import Conditions, Load
from dwctl.routing.health import HealthPolicy
from dwctl.routing.pool import Pool
from dwctl.routing.snapshot import Model, Target
from dwctl.wire.errors import Problem, Refused

logger = logging.getLogger(__name__)

MAX_POOLS = 10_000
_RETRY_AFTER = ((b"retry-after", b"1"),)


Render = Callable[[Target], Rendered]
"""Raises `Refused` for a target whose settings cannot be rendered."""


LATE = frozenset({Failure.CONNECT_TIMEOUT, Failure.FIRST_BYTE_TIMEOUT, Failure.IDLE_TIMEOUT})
"""Failures that count as `Reason.TIMEOUT`."""


class Plan(msgspec.Struct, frozen=True):
    """How a call to a pool goes on."""

    model: Model
    pool: Pool
    choice: Choice
    """The attempts after the first one."""
    render: Render
    pick: Pick
    """The target of the first attempt."""
    first: Rendered


def following(choice: Choice, render: Render, failed: Load) -> tuple[Pick, Rendered] | None:
    """The next attempt of a call; None when there is none. The one that failed does not make its target busy."""
    failed.active -= 1
    try:
        for pick in choice:
            try:
                return pick, render(pick.target)
            except Refused:
                continue
        return None
    finally:
        failed.active += 1


class Reason(StrEnum):
    """Why a call is sent again; a label of the metrics."""

    STATUS = "status"
    EMBEDDED = "embedded"
    """An error, or nothing, in an answer of status 200."""
    TIMEOUT = "timeout"
    NETWORK = "network"


class _Known:
    """What is worked out of one pool for as long as the snapshot has the same object for it."""

    __slots__ = ("bucket", "limited", "members", "model")

    def __init__(self, model: Model, members: tuple[Member, ...], bucket: Bucket) -> None:
        self.model = model
        self.members = members
        self.bucket = bucket
        self.limited = any(
            target.limits is not None or target.provider_limits is not None for target in model.targets
        )
        """Whether a target or its endpoint has limits."""


class Pools:
    """One for each process."""

    def __init__(
        self,
        settings: PoolSettings,
        conditions: Conditions,
        clock: Clock,
        metrics: Metrics,
        draw: Callable[[], float],
        gate: Gate,
    ) -> None:
        self.draw = draw
        """A number from 0 up to 1."""
        self._policy = _policy(settings.health)
        self._conditions = conditions
        self._clock = clock
        self._gate = gate
        self._known: dict[str, _Known] = {}
        self._counts = PoolCounts()
        metrics.registry.register(self._counts)

    def plan(self, model: Model, pool: Pool, render: Render) -> Plan:
        """A new call's first attempt, and what comes after it.

        Raises `Refused`: 503 when the pool has no target, 429 when limits of ours leave none.
        """
        known = self._known.get(model.id)
        if known is None or known.model is not model:
            known = self._learn(model, pool)
        clock = self._clock.monotonic
        known.bucket.called(pool.fallback.retry_budget, clock())
        turns = self._gate.turns() if known.limited else None
        choice = Choice(pool, known.members, draw=self.draw, now=clock, limits=turns or no_limits)
        refusal: Refused | None = None
        for pick in choice:
            try:
                return Plan(model, pool, choice, render, pick, render(pick.target))
            except Refused as error:
                refusal = error
        if refusal is None and turns is not None and turns.refusal is not None:
            refusal = Refused(self._gate.problem(turns.refusal))
        raise refusal or Refused(_no_target(model.alias))

    def may_retry(self, model: Model, pool: Pool) -> bool:
        """Whether the pool has earned a retry; a retry that is refused is counted."""
        known = self._known.get(model.id)
        if known is None:
            return True
        if known.bucket.allows(pool.fallback.retry_budget, self._clock.monotonic()):
            return True
        self._counts.exhausted[model.alias] += 1
        return False

    def retried(self, model: Model, reason: Reason) -> None:
        """A call is sent again."""
        known = self._known.get(model.id)
        if known is not None:
            known.bucket.spend()
        self._counts.retries[model.alias, reason.value] += 1

    def failed(self, pick: Pick, head: Head | None = None) -> None:
        """A target failed; `head` is that of its answer, if it gave one."""
        now = self._clock.monotonic()
        health = pick.condition.health
        wait = 0.0 if head is None else retry_after(head, self._clock.now())
        if wait:
            ejected = health.told_to_wait(now, wait, self._policy)
        else:
            ejected = health.failed(now, self._policy, trial=pick.trial)
        if ejected:
            target = pick.target
            self._counts.ejections[target.endpoint_name] += 1
            logger.warning(
                "the endpoint %s gets no calls for %s from pools for %.0f s",
                target.endpoint_name,
                target.model_name,
                health.until - now,
            )

    def _learn(self, model: Model, pool: Pool) -> _Known:
        """Members of a pool that is new or has changed; what it has left of its budget stays."""
        before = self._known.get(model.id)
        if before is None and len(self._known) >= MAX_POOLS:
            self._known.clear()
        members = tuple(Member(target, self._conditions.of(target)) for target in model.targets)
        bucket = (
            Bucket(pool.fallback.retry_budget, self._clock.monotonic()) if before is None else before.bucket
        )
        known = self._known[model.id] = _Known(model, members, bucket)
        return known


def _policy(settings: HealthSettings) -> HealthPolicy:
    return HealthPolicy(failures=settings.failures, initial=settings.eject_initial, most=settings.eject_max)


def _no_target(alias: str) -> Problem:
    return Problem(
        status=503,
        message=f"The model '{alias}' has no model server at the moment.",
        type="server_error",
        code="service_unavailable",
        headers=_RETRY_AFTER,
    )
