"""What a call costs: tariffs, which of them is a call's, and the exact sum (spec/platform §6.5, §7.5). Pure.

Money is `Decimal`, in the currency of the installation; a price is for one token. Products and sums are made in a
context that raises rather than rounds.
"""

from collections.abc import Iterable, Mapping
from decimal import Context, Decimal, Inexact, InvalidOperation
from typing import Any

import msgspec

ZERO = Decimal(0)
_EXACT = Context(prec=60, traps=[Inexact, InvalidOperation])
_multiply, _add, _fma = _EXACT.multiply, _EXACT.add, _EXACT.fma


class Tariff(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The prices of a model's tokens, as the row of `model_tariffs` with this id has them for ever."""

    id: str
    input: Decimal
    output: Decimal
    cached_input: Decimal
    """Of those tokens of the input that the model server had in its cache."""
    reasoning: Decimal
    """Of those tokens of the output that were thoughts."""
    cache_write: Decimal
    """Of those tokens of the input that the model server wrote to its cache."""
    dearest_input: Decimal = ZERO
    """What no token of the input is above; worked out here."""
    dearest_output: Decimal = ZERO

    def __post_init__(self) -> None:
        """Once for each tariff, so that a call need not compare prices."""
        msgspec.structs.force_setattr(
            self, "dearest_input", max(self.input, self.cached_input, self.cache_write)
        )
        msgspec.structs.force_setattr(self, "dearest_output", max(self.output, self.reasoning))

    def cost(
        self,
        input_tokens: int | None,
        output_tokens: int | None,
        cached: int | None,
        reasoning: int | None,
        written: int | None = None,
    ) -> Decimal:
        """What so many tokens cost; unknown ones count as none.

        Tokens from a cache and those written to one are two parts of the input, the first at most all of it and the
        second at most the rest; reasoning tokens are at most all of the output.
        """
        total = _multiply(self.input, input_tokens or 0)
        if output_tokens:
            total = _fma(self.output, output_tokens, total)
        if cached and input_tokens and self.cached_input != self.input:
            total = _fma(self.cached_input - self.input, min(cached, input_tokens), total)
        if written and input_tokens and self.cache_write != self.input:
            rest = input_tokens - min(cached or 0, input_tokens)
            total = _fma(self.cache_write - self.input, min(written, rest), total)
        if reasoning and output_tokens and self.reasoning != self.output:
            total = _fma(self.reasoning - self.output, min(reasoning, output_tokens), total)
        return total


class Tariffs(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The tariffs of a model that are in force, by the purpose of the key that calls; None is free.

    What is found by falling back is filled in, so that a call reads one attribute.
    """

    realtime: Tariff | None = None
    playground: Tariff | None = None
    platform: Tariff | None = None
    batch: Tariff | None = None
    """For calls of batch keys that no batch makes."""
    windows: Mapping[str, Tariff] = {}
    """For the work of batches, by completion window."""

    def of(self, purpose: str, window: str | None = None) -> Tariff | None:
        """The tariff of a call: of its purpose and window, of its purpose, of realtime, of every purpose, or none."""
        if window is not None and purpose == "batch" and window in self.windows:
            return self.windows[window]
        found: Tariff | None = getattr(self, purpose)
        return found


def tariff_of(row: Any) -> Tariff:
    """From a row of `model_tariffs`; a price that is not there is that of input or output."""
    entry, out = _short(row["input_price"]), _short(row["output_price"])
    cached, reasoning, written = row["cached_input_price"], row["reasoning_price"], row["cache_write_price"]
    return Tariff(
        id=str(row["id"]),
        input=entry,
        output=out,
        cached_input=entry if cached is None else _short(cached),
        reasoning=out if reasoning is None else _short(reasoning),
        cache_write=entry if written is None else _short(written),
    )


def tariffs_of(rows: Iterable[Any]) -> Tariffs | None:
    """Those of one model, from its rows in force; None for a model without any."""
    by_purpose: dict[str | None, Tariff] = {}
    windows: dict[str, Tariff] = {}
    for row in rows:
        if row["completion_window"] is None:
            by_purpose[row["purpose"]] = tariff_of(row)
        else:
            windows[row["completion_window"]] = tariff_of(row)
    if not by_purpose and not windows:
        return None
    whatever = by_purpose.get(None)
    realtime = by_purpose.get("realtime", whatever)
    return Tariffs(
        realtime=realtime,
        playground=by_purpose.get("playground", realtime),
        platform=by_purpose.get("platform", realtime),
        batch=realtime,
        windows=windows,
    )


def _short(price: Decimal) -> Decimal:
    """The same number without zeros at its end: costs made of it are short too."""
    return price.normalize(_EXACT)
