"""How much a model should think, in one vocabulary, and how a target wants it said (spec/gateway A1.16). Pure.

A translation is written for each surface, the protocol of a call. It lists writes: a place in the request's body by
its JSON pointer (RFC 6901), and what is written there for each effort. Each of the seven efforts is either written in
every place or listed as unsupported.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
MAX_DEPTH = 4
MAX_WRITES = 16
MAX_TEXT = 64
MAX_BUDGET = 2**31 - 1
_SEGMENT = re.compile(r"[A-Za-z0-9_]{1,64}")
_WHOLE = frozenset(
    {
        ("reasoning_effort",),
        ("thinking_token_budget",),
        ("chat_template_kwargs", "thinking"),
        ("chat_template_kwargs", "enable_thinking"),
    }
)
_BELOW = frozenset({"reasoning", "thinking"})
_BUDGETS = frozenset({"thinking_token_budget", "budget_tokens", "max_tokens"})
"""The last segment of a place that takes a number of tokens."""

Path = tuple[str, ...]
Scalar = str | int | float | bool


class _Write(msgspec.Struct, forbid_unknown_fields=True):
    target: str
    values: dict[str, Any]


class _Surface(msgspec.Struct, forbid_unknown_fields=True):
    writes: list[_Write] = []
    unsupported_efforts: list[str] = []


class _Config(msgspec.Struct, forbid_unknown_fields=True):
    chat_completions: _Surface | None = None
    responses: _Surface | None = None


class Effort(msgspec.Struct, frozen=True):
    """What one effort means to a target."""

    writes: tuple[tuple[Path, Scalar], ...]
    budget: int
    """The largest number of tokens among them; 0 without one."""


class Reasoning(msgspec.Struct, frozen=True):
    """A target's translation, ready to be used."""

    surfaces: Mapping[str, Mapping[str, Effort]]
    """By path such as `/v1/chat/completions`, then by effort; an effort that is not there is not supported."""


_PATHS = {"chat_completions": "/v1/chat/completions", "responses": "/v1/responses"}


def reasoning_of(config: object) -> Reasoning:
    """Check a translation and prepare it; raises `ValueError` with the field and what is wrong with it."""
    try:
        read = msgspec.convert(config, _Config)
    except msgspec.ValidationError as error:
        raise ValueError(_told(str(error))) from error
    surfaces: dict[str, Mapping[str, Effort]] = {}
    for name, path in _PATHS.items():
        surface: _Surface | None = getattr(read, name)
        if surface is not None:
            surfaces[path] = _prepared(surface, name)
    if not surfaces:
        raise ValueError(f"expected {' or '.join(_PATHS)}")
    return Reasoning(surfaces)


def _prepared(surface: _Surface, name: str) -> dict[str, Effort]:
    if len(surface.writes) > MAX_WRITES:
        raise ValueError(f"{name}.writes: expected at most {MAX_WRITES}, got {len(surface.writes)}")
    paths: list[Path] = []
    for number, write in enumerate(surface.writes):
        place = f"{name}.writes.{number}"
        path = _path(write.target, f"{place}.target")
        for other in paths:
            shorter = min(len(path), len(other))
            if path[:shorter] == other[:shorter]:
                raise ValueError(f"{place}.target: '{write.target}' overlaps with '/{'/'.join(other)}'")
        paths.append(path)
        for effort, value in write.values.items():
            _check(value, path, f"{place}.values.{effort}")
    _cover(surface, name)
    efforts = surface.writes[0].values if surface.writes else {}
    return {effort: _effort(effort, surface.writes, paths) for effort in EFFORTS if effort in efforts}


def _path(target: str, place: str) -> Path:
    first, *segments = target.split("/")
    path = tuple(segments)
    if first or not path or not all(map(_SEGMENT.fullmatch, path)):
        raise ValueError(f"{place}: expected a JSON pointer such as '/reasoning_effort', got '{target}'")
    if len(path) > MAX_DEPTH:
        raise ValueError(f"{place}: expected at most {MAX_DEPTH} segments, got {len(path)}")
    if path not in _WHOLE and not (path[0] in _BELOW and len(path) > 1):
        allowed = sorted("/" + "/".join(known) for known in _WHOLE) + [
            f"/{known}/…" for known in sorted(_BELOW)
        ]
        raise ValueError(f"{place}: expected one of {', '.join(allowed)}, got '{target}'")
    return path


def _check(value: object, path: Path, place: str) -> None:
    if path[-1] in _BUDGETS:
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MAX_BUDGET:
            raise ValueError(f"{place}: expected a number of tokens from 0 to {MAX_BUDGET}")
    elif not isinstance(value, str | int | float):
        raise ValueError(f"{place}: expected a string, a number or a boolean")
    elif isinstance(value, str) and len(value) > MAX_TEXT:
        raise ValueError(f"{place}: expected at most {MAX_TEXT} characters, got {len(value)}")


def _cover(surface: _Surface, name: str) -> None:
    """Each effort exactly once, and the same ones in every write."""
    unsupported = surface.unsupported_efforts
    if len(set(unsupported)) < len(unsupported):
        raise ValueError(f"{name}.unsupported_efforts: an effort stands there twice")
    wanted = set(EFFORTS) - set(unsupported)
    if strange := sorted(set(unsupported) - set(EFFORTS)):
        raise ValueError(f"{name}.unsupported_efforts: expected {_listed(EFFORTS)}, got '{strange[0]}'")
    if wanted and not surface.writes:
        raise ValueError(f"{name}.writes: expected at least one for {_listed(sorted(wanted))}")
    for number, write in enumerate(surface.writes):
        if set(write.values) != wanted:
            expected = _listed([effort for effort in EFFORTS if effort in wanted]) or "none"
            raise ValueError(
                f"{name}.writes.{number}.values: expected {expected} and no others, got {_listed(write.values)}"
            )


def _effort(effort: str, writes: list[_Write], paths: list[Path]) -> Effort:
    pairs = tuple((path, write.values[effort]) for path, write in zip(paths, writes, strict=True))
    return Effort(pairs, max((value for path, value in pairs if path[-1] in _BUDGETS), default=0))


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)


def _told(text: str) -> str:
    """msgspec's message with the field in front."""
    message, _, at = text.partition(" - at `$")
    at = at.rstrip("`").lstrip(".").replace("[", ".").replace("]", "")
    return f"{at}: {message[:1].lower()}{message[1:]}" if at else f"{message[:1].lower()}{message[1:]}"
