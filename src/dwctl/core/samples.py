"""Metrics of several processes as one page. Pure.

A part is what one process has, small enough to be sent. Counters and histograms of all parts are added up, and so are
gauges, which count things that are there; a gauge that measures how bad something is, is shown at its worst.
"""

from collections.abc import Iterable, Sequence

import msgspec
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

Labels = tuple[tuple[str, str], ...]


class Family(msgspec.Struct, array_like=True):
    """One metric of one process with all its series."""

    name: str
    text: str
    kind: str
    worst: bool
    samples: list[tuple[str, Labels, float]]


Part = list[Family]
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Part).decode


def part_of(registry: CollectorRegistry, worst: frozenset[str] = frozenset()) -> Part:
    """What a registry holds; times of making are left out, for a page of several processes has none."""
    return [
        Family(
            metric.name,
            metric.documentation,
            metric.type,
            metric.name in worst,
            [
                (sample.name, tuple(sample.labels.items()), float(sample.value))
                for sample in metric.samples
                if not sample.name.endswith("_created")
            ],
        )
        for metric in registry.collect()
    ]


def packed(part: Part) -> bytes:
    """For another process."""
    return _encode(part)


def unpacked(data: bytes) -> Part:
    """From another process."""
    return _decode(data)


def counted(part: Part) -> Part:
    """What stays of a process that has ended: what it has counted. Without it sums would fall, and rates be wrong."""
    return [family for family in part if family.kind != "gauge"]


def merged(parts: Iterable[Part]) -> Part:
    """One part for all."""
    families: dict[str, Family] = {}
    series: dict[str, dict[tuple[str, Labels], float]] = {}
    for part in parts:
        for family in part:
            known = families.setdefault(family.name, family)
            values = series.setdefault(family.name, {})
            for name, labels, value in family.samples:
                place = (name, labels)
                before = values.get(place)
                if before is not None:
                    value = max(before, value) if known.worst else before + value
                values[place] = value
    return [
        Family(
            family.name,
            family.text,
            family.kind,
            family.worst,
            [(name, labels, value) for (name, labels), value in series[family.name].items()],
        )
        for family in families.values()
    ]


def page(parts: Sequence[Part]) -> bytes:
    """The Prometheus text format."""
    registry = CollectorRegistry()
    registry.register(_Shown(parts[0] if len(parts) == 1 else merged(parts)))
    return generate_latest(registry)


class _Shown(Collector):
    def __init__(self, part: Part) -> None:
        self._part = part

    def collect(self) -> Iterable[Metric]:
        for family in self._part:
            metric = Metric(family.name, family.text, family.kind)
            for name, labels, value in family.samples:
                metric.add_sample(name, dict(labels), value)
            yield metric
