"""What a call may cost at most, from its request alone: what is reserved before it runs (ADR 0029). Pure.

**Input**: a token has at least `bytes_per_token` bytes of the body as it goes to the model server. One byte is a true
bound for text, whatever the language and the tokenizer; what is not text (pictures, sound) is overestimated.
**Output**: the largest of `max_completion_tokens`, `max_output_tokens` and `max_tokens`, or `output_tokens` where the
request names none; as often as `n` or `best_of` says. Embeddings, scores and moderations have none.
Both at the dearest price that could count: cached tokens and thoughts may cost more than others.
"""

from decimal import Decimal
from math import ceil
from typing import Annotated

import msgspec

from dwctl.gateway.routes import Route
from dwctl.usage.credit.settings import ReservationSettings
from dwctl.usage.prices import Tariff

MOST = Decimal(10**9)
"""More is reserved for no call, so that sums of reservations stay exact."""
_SILENT = frozenset({"/v1/embeddings", "/v1/rerank", "/v1/score", "/v1/moderations"})
"""Routes without tokens of output."""
_Count = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]


class _Caps(msgspec.Struct, gc=False):
    """What limits the output; everything else is skipped unparsed."""

    max_completion_tokens: _Count | None = None
    max_output_tokens: _Count | None = None
    max_tokens: _Count | None = None
    n: _Count | None = None
    best_of: _Count | None = None


_read = msgspec.json.Decoder(_Caps).decode
_NO_CAPS = _Caps()


def bound(tariff: Tariff, route: Route, body: bytes, size: int, settings: ReservationSettings) -> Decimal:
    """The most that a call costs; `size` is that of the body, which is empty here when it is a form."""
    tokens = ceil(size / settings.bytes_per_token)
    most = max(tariff.input, tariff.cached_input) * tokens
    dearest = max(tariff.output, tariff.reasoning)
    if dearest and route.path not in _SILENT:
        most += dearest * _output(body, settings.output_tokens)
    return min(most, MOST)


def _output(body: bytes, otherwise: int) -> int:
    """Tokens of all answers; a body that says it in an odd way is refused by the model server, or not bound by it."""
    try:
        caps = _read(body) if body else _NO_CAPS
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        caps = _NO_CAPS
    limit = max(caps.max_completion_tokens or 0, caps.max_output_tokens or 0, caps.max_tokens or 0)
    return (limit or otherwise) * max(caps.n or 1, caps.best_of or 1)
