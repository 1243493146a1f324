"""What takes the gateway's place where only worker and queue are measured: every errand is answered at once."""

import asyncio
import time
from collections.abc import Callable
from decimal import Decimal
from uuid import UUID

import msgspec

from dwctl.core.ids import new_id
from dwctl.requests.dispatch import Done, Errand
from dwctl.requests.record import Record, State

ANSWER = msgspec.json.encode(
    {
        "id": "chatcmpl-bench",
        "object": "chat.completion",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "x" * 600}}],
        "usage": {"prompt_tokens": 9, "completion_tokens": 40, "total_tokens": 49},
    }
)


class Stub:
    """A `Dispatch`. Its records have every field that those of the gateway have."""

    def __init__(self, holder: UUID, cost: Decimal | None) -> None:
        self._daemon_id = str(holder)
        self._cost = cost
        self._endpoint_id, self._key_id, self._tariff_id = new_id(), new_id(), new_id()

    def run(self, errand: Errand, done: Done) -> Callable[[], None]:
        """Answered in the next turn of the loop."""
        now = time.time()
        record = Record(
            id=str(errand.id),
            created_at=now,
            path=errand.path,
            model=errand.asked,
            owner_id=str(errand.owner_id),
            creator_id=str(errand.creator_id),
            key_id=self._key_id,
            daemon_id=self._daemon_id,
            attempt=errand.attempt,
            state=int(State.COMPLETED),
            background=True,
            service_tier=errand.service_tier,
            purpose="batch",
            origin=errand.origin,
            request_size=len(errand.body),
            tariff_id=None if self._cost is None else self._tariff_id,
            completed_at=now,
            status_code=200,
            upstream_status=200,
            endpoint_id=self._endpoint_id,
            target_model="bench",
            first_byte_ms=10.0,
            duration_ms=12.0,
            overhead_ms=0.1,
            prompt_tokens=9,
            completion_tokens=40,
            total_tokens=49,
            response_model="bench",
            finish_reason="stop",
            response_size=len(ANSWER),
            cost=self._cost,
        )
        asyncio.get_running_loop().call_soon(done, record, ANSWER, 0.0)
        return _nothing


def _nothing() -> None:
    """It has ended already."""
