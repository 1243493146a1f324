"""What a call costs: tariffs, which of them is a call's, and the exact sum (spec/platform §6.5, §7.5). Pure.

Money is `Decimal`, in the currency of the installation; a price is for one token. Products and sums are made in a
context that raises rather than rounds. What a call comes to is added up in `charging.py`.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

import msgspec

from dwctl.usage.charging import charge
from dwctl.usage.money import EXACT, units_of

ZERO = Decimal(0)


class Steps(msgspec.Struct, frozen=True, gc=False):
    """The prices of a tariff as whole numbers of its step; that of a part of the input or output less that of all."""

    input: int
    output: int
    cached_input: int
    reasoning: int
    cache_write: int


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
    dearest_input: int = 0
    """What no token of the input is above, in steps; worked out here."""
    dearest_output: int = 0
    step: Decimal = ZERO
    """The power of ten, at most 1, that all prices are multiples of."""
    units: int = 0
    """The same in units (money.py)."""
    steps: Steps = Steps(0, 0, 0, 0, 0)
    """The prices in it."""

    def __post_init__(self) -> None:
        """Once for each tariff, so that a call need not compare prices."""
        put = msgspec.structs.force_setattr
        places = max(
            _places(price)
            for price in (self.input, self.output, self.cached_input, self.reasoning, self.cache_write)
        )
        put(self, "step", Decimal(1).scaleb(-places))
        put(self, "units", units_of(self.step))
        entry, out = _steps(self.input, places), _steps(self.output, places)
        put(self, "dearest_input", _steps(max(self.input, self.cached_input, self.cache_write), places))
        put(self, "dearest_output", _steps(max(self.output, self.reasoning), places))
        put(
            self,
            "steps",
            Steps(
                input=entry,
                output=out,
                cached_input=_steps(self.cached_input, places) - entry,
                reasoning=_steps(self.reasoning, places) - out,
                cache_write=_steps(self.cache_write, places) - entry,
            ),
        )

    def cost(
        self,
        input_tokens: int | None,
        output_tokens: int | None,
        cached: int | None,
        reasoning: int | None,
        written: int | None = None,
    ) -> Decimal:
        """What so many tokens cost; see `charging.charge`."""
        return charge(self, input_tokens, output_tokens, cached, reasoning, written)[0]


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


def _places(price: Decimal) -> int:
    """Decimals of a price that say something."""
    exponent = price.normalize(EXACT).as_tuple().exponent
    return -exponent if isinstance(exponent, int) and exponent < 0 else 0


def _steps(price: Decimal, places: int) -> int:
    """A price in steps of so many decimals."""
    return int(price.scaleb(places, EXACT))


def _short(price: Decimal) -> Decimal:
    """The same number without zeros at its end: costs made of it are short too."""
    return price.normalize(EXACT)
