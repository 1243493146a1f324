"""Optional parts of the distribution: what is not installed is said before anything starts."""

from importlib import util

NO_OTEL = "enable_otel_export: the extra is not installed; run: pip install 'dwctl[otel]'"
_OTEL = ("opentelemetry.sdk.trace", "opentelemetry.exporter.otlp.proto.http")


def has_otel() -> bool:
    """Whether `dwctl[otel]` is there; looks for it and loads nothing of it."""
    try:
        return all(util.find_spec(name) is not None for name in _OTEL)
    except ModuleNotFoundError:
        return False
