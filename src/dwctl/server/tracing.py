"""Spans, where they are asked for: what makes them is loaded by nobody else."""

from collections.abc import Mapping
from importlib import import_module
from typing import Protocol

from dwctl.core.services import Service
from dwctl.gateway.parts import Parts
from dwctl.gateway.pipeline import Gateway
from dwctl.gateway.traced import TracedGateway, Tracer


class SpanService(Tracer, Service, Protocol):
    """What makes spans and sends them."""


class _Opens(Protocol):
    def __call__(self, version: str, instance: str, environ: Mapping[str, str]) -> SpanService | None: ...


def open_spans(version: str, instance: str, environ: Mapping[str, str]) -> SpanService | None:
    """The service of this process; None when the standard's variables switch it off."""
    opens: _Opens = import_module("dwctl.gateway.spans").open_spans
    return opens(version, instance, environ)


def gateway_of(parts: Parts, spans: SpanService | None) -> Gateway:
    """The gateway whose calls leave spans, or the plain one."""
    return Gateway(parts) if spans is None else TracedGateway(parts, tracer=spans)
