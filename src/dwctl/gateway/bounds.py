"""What a call may cost at most, from its request alone: what is reserved before it runs (ADR 0029). Pure.

**Input**: a token has at least `bytes_per_token` bytes of the body as it goes to the model server. One byte is a true
bound for text, whatever the language and the tokenizer; what is not text (pictures, sound) is overestimated.
**Output**: the largest of `max_completion_tokens`, `max_output_tokens` and `max_tokens`, or `output_tokens` where the
request names none; as often as `n` or `best_of` says. Embeddings, scores and moderations have none.
Both at the dearest price that could count: tokens of a cache and thoughts may cost more than others.
"""

from decimal import Decimal
from math import ceil

from dwctl.gateway.peeked import Caps
from dwctl.gateway.routes import Route
from dwctl.usage.credit.settings import ReservationSettings
from dwctl.usage.prices import Tariff

_MOST = 10**9
MOST = Decimal(_MOST)
"""More is reserved for no call, so that sums of reservations stay exact."""
_SILENT = frozenset({"/v1/embeddings", "/v1/rerank", "/v1/score", "/v1/moderations"})
"""Routes without tokens of output."""
_MOST_TOKENS = 2**31 - 1


def bound(tariff: Tariff, route: Route, caps: Caps, size: int, settings: ReservationSettings) -> Decimal:
    """The most that a call costs, by the limits and the size of its body."""
    steps, per = tariff.steps, settings.bytes_per_token
    most = steps.dearest_input * (size if per == 1 else ceil(size / per))
    if steps.dearest_output and route.path not in _SILENT:
        # What is said of the output, one after the other: a loop over it takes twice as long, a function half as long
        # again. A limit that is said in an odd way binds nobody, or the model server refuses it.
        limit, times = 0, 1
        said = caps.max_completion_tokens
        if said is not None:
            limit = _count(said)
        said = caps.max_output_tokens
        if said is not None and (count := _count(said)) > limit:
            limit = count
        said = caps.max_tokens
        if said is not None and (count := _count(said)) > limit:
            limit = count
        said = caps.n
        if said is not None and (count := _count(said)) > times:
            times = count
        said = caps.best_of
        if said is not None and (count := _count(said)) > times:
            times = count
        most += steps.dearest_output * (limit or settings.output_tokens) * times
    if most <= _MOST:
        # A step is at most 1, so this is not too much; and it has too few digits to be rounded.
        return tariff.step * most
    return min(tariff.amount(most), MOST)


def _count(said: object) -> int:
    """A number of tokens or answers; 0 for what is none."""
    if type(said) is float and said.is_integer():
        said = int(said)
    return said if type(said) is int and 0 <= said <= _MOST_TOKENS else 0
