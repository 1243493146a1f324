"""What a call may cost at most, from its request alone: what is reserved before it runs (ADR 0029). Pure.

**Input**: a token has at least `bytes_per_token` bytes of the body as it goes to the model server. One byte is a true
bound for text, whatever the language and the tokenizer; what is not text (pictures, sound) is overestimated.
**Output**: the largest of `max_completion_tokens`, `max_output_tokens` and `max_tokens`, or `output_tokens` where the
request names none; as often as `n` or `best_of` says. Embeddings, scores and moderations have none.
Both at the dearest price that could count: tokens of a cache and thoughts may cost more than others.
"""

from math import ceil
from typing import Final

from dwctl.gateway.peeked import Caps
from dwctl.gateway.routes import Route
from dwctl.usage.credit.settings import ReservationSettings
from dwctl.usage.money import ONE
from dwctl.usage.prices import Tariff

MOST: Final = 1_000_000_000 * ONE
"""More is reserved for no call."""
_USUALLY: Final = 2**60
"""Less than that by far, and a number that compiled code has in one word."""
_SILENT: Final = frozenset({"/v1/embeddings", "/v1/rerank", "/v1/score", "/v1/moderations"})
"""Routes without tokens of output."""
_MOST_TOKENS = 2**31 - 1


def bound(tariff: Tariff, route: Route, caps: Caps, size: int, settings: ReservationSettings) -> int:
    """The most that a call costs, by the limits in its body and the size of that; in units (usage/money.py)."""
    per = settings.bytes_per_token
    # In steps of the tariff first: short numbers, whose products compiled code makes by itself.
    most = tariff.dearest_input * (size if per == 1 else ceil(size / per))
    if route.path not in _SILENT:
        # What is said of the output, one after the other: a loop over it takes twice as long, a function half as long
        # again. A limit that is said in an odd way binds nobody, or the model server refuses it.
        limit, times = 0, 1
        if caps.max_completion_tokens is not None:
            limit = _count(caps.max_completion_tokens)
        if caps.max_output_tokens is not None and (count := _count(caps.max_output_tokens)) > limit:
            limit = count
        if caps.max_tokens is not None and (count := _count(caps.max_tokens)) > limit:
            limit = count
        if caps.n is not None and (count := _count(caps.n)) > times:
            times = count
        if caps.best_of is not None and (count := _count(caps.best_of)) > times:
            times = count
        most += tariff.dearest_output * (limit or settings.output_tokens) * times
    most *= tariff.units
    if most > _USUALLY and most > MOST:
        return MOST
    return most


def _count(said: object) -> int:
    """A number of tokens or answers; 0 for what is none."""
    if type(said) is float and said.is_integer():
        said = int(said)
    return said if type(said) is int and 0 <= said <= _MOST_TOKENS else 0
