"""Spans of calls under OpenTelemetry's GenAI conventions, sent by the official exporter (decision 0031).

The only module that knows OpenTelemetry; imported when `enable_otel_export` is set, for then the extra `dwctl[otel]`
has to be installed. A call leaves one span of kind SERVER, and below it one of kind CLIENT for each attempt at a model
server, which carries the `gen_ai.*` attributes. All are made of the call's finished record. No prompt, no answer, no
key and no name of a person is in them.

Where spans go, how often, and which ones is said by the standard's variables (`OTEL_EXPORTER_OTLP_*`, `OTEL_BSP_*`,
`OTEL_TRACES_SAMPLER`, `OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES`), which the SDK reads itself.
"""

import asyncio
import logging
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import lru_cache
from threading import Thread
from urllib.parse import urlsplit

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    TraceState,
    set_span_in_context,
)

from dwctl.core.ids import random_bits
from dwctl.gateway.record import CLIENT_LEFT
from dwctl.gateway.routes import PREFIX
from dwctl.gateway.trace import Parent
from dwctl.gateway.traced import Attempt, Call
from dwctl.requests.record import Record

logger = logging.getLogger(__name__)

STOP_WITHIN = 5.0
"""Seconds that the last spans have at the end of the process."""
SWITCH_INTERVAL = 0.0005
"""Seconds after which a thread gives the interpreter to one that wants it; Python's own is ten times as long."""
PROTOCOL = "http/protobuf"
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_CHATS = frozenset({"/v1/chat/completions", "/v1/messages", "/v1/responses"})
_OPERATIONS = {"/v1/completions": "text_completion"} | dict.fromkeys(_CHATS, "chat")
_UNSET = Status(StatusCode.UNSET)
_SAMPLED = TraceFlags(TraceFlags.SAMPLED)
_NO_STATE = TraceState()
Attributes = dict[str, str | int | float | bool | tuple[str, ...]]


def open_spans(version: str, instance: str, environ: Mapping[str, str]) -> "Spans | None":
    """The service, unless the standard's variables switch it off."""
    return Spans(version, instance) if wanted(environ) else None


def wanted(environ: Mapping[str, str]) -> bool:
    """Whether the standard's variables leave exporting on; warns of what they ask for and do not get."""
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    if environ.get("OTEL_TRACES_EXPORTER", "").strip().lower() == "none":
        return False
    asked = next((environ[name] for name in _PROTOCOLS if environ.get(name)), PROTOCOL)
    if asked.strip() != PROTOCOL:
        logger.warning("spans are sent as %s; %s is not supported", PROTOCOL, asked)
    return True


class Spans:
    """Service, and implements `Tracer`. Woken by nothing; a thread of the SDK sends what has gathered.

    What has not been sent when it dies is lost; a receiver that does not answer costs spans, never calls.
    """

    name = "spans"

    def __init__(self, version: str, instance: str) -> None:
        ours = Resource(
            {"service.name": "dwctl", "service.version": version, "service.instance.id": instance}
        )
        self._resource = ours.merge(OTELResourceDetector().detect())
        self._scope = InstrumentationScope("dwctl", version)
        self._sampler = TracerProvider(resource=self._resource, shutdown_on_exit=False).sampler
        self._exporter: SpanExporter = OTLPSpanExporter()
        self._processor: SpanProcessor = BatchSpanProcessor(self._exporter)

    async def start(self) -> None:
        """The thread runs already; while it encodes, the loop must not wait long for the interpreter."""
        sys.setswitchinterval(SWITCH_INTERVAL)

    async def run(self) -> None:
        """Wait for the end."""
        await asyncio.Event().wait()

    async def stop(self) -> None:
        """Send what is left, within a limit that is ours: the SDK's own is longer than a process may take to end."""
        loop, ended = asyncio.get_running_loop(), asyncio.Event()

        def shut_down() -> None:
            self._processor.shutdown()
            # Raised when it is too late, for the loop has ended.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(ended.set)

        # A daemon: what hangs in it does not hold the process.
        Thread(target=shut_down, name="spans-end", daemon=True).start()
        try:
            async with asyncio.timeout(STOP_WITHIN):
                await ended.wait()
        except TimeoutError:
            self._exporter.shutdown()
            logger.warning("the receiver of spans does not answer: the last ones are lost")

    def span_id(self) -> int:
        """A new one; zero is none."""
        return random_bits(64) or 1

    def begin(self, parent: Parent | None, name: str) -> Call:
        """Ids for a call, and whether its spans are kept: the sampler's word, which knows the client's."""
        trace_id = random_bits(128) or 1 if parent is None else parent.trace_id
        context = None if parent is None else _context(parent)
        result = self._sampler.should_sample(context, trace_id, name, SpanKind.SERVER)
        return Call(trace_id, self.span_id(), result.decision is Decision.RECORD_AND_SAMPLE, parent)

    def ended(self, call: Call, record: Record) -> None:
        """Make the spans of a call and leave them to the thread."""
        for span in self.of(call, record):
            self._processor.on_end(span)

    def of(self, call: Call, record: Record) -> Iterator[ReadableSpan]:
        """The spans of a call, its own last."""
        state = _NO_STATE if call.parent is None else _state(call.parent.state)
        own = SpanContext(
            call.trace_id, call.span_id, is_remote=False, trace_flags=_SAMPLED, trace_state=state
        )
        attempts = call.attempts
        left = record.status_code == CLIENT_LEFT.status
        if left and attempts and attempts[-1].began > record.completed_at:
            # While the retry waited.
            attempts = attempts[:-1]
        started = record.completed_at - record.duration_ms / 1000
        for attempt in attempts:
            ended = attempt.ended or record.completed_at
            # A retry's beginning is when it was meant to be: its timer may have fired a little earlier.
            began = min(attempt.began or started + (record.overhead_ms or 0.0) / 1000, ended)
            context = SpanContext(
                call.trace_id, attempt.span_id, is_remote=False, trace_flags=_SAMPLED, trace_state=state
            )
            final = not attempt.ended
            attributes = _asked(attempt, record)
            if final:
                _answered(attributes, record, began - started)
            elif attempt.status:
                attributes["http.response.status_code"] = attempt.status
            error = _error(record) if final else attempt.reason
            if error:
                attributes["error.type"] = error
            yield ReadableSpan(
                f"{attributes['gen_ai.operation.name']} {attempt.target.model_name}",
                context=context,
                parent=own,
                resource=self._resource,
                attributes=attributes,
                kind=SpanKind.CLIENT,
                status=Status(StatusCode.ERROR) if error else _UNSET,
                start_time=_nanoseconds(began),
                end_time=_nanoseconds(ended),
                instrumentation_scope=self._scope,
            )
        method = "GET" if record.path == "/v1/realtime" else "POST"
        route = PREFIX.decode() + record.path
        yield ReadableSpan(
            f"{method} {route}",
            context=own,
            parent=None if call.parent is None else _remote(call.parent),
            resource=self._resource,
            attributes=_served(method, route, record, len(attempts)),
            kind=SpanKind.SERVER,
            status=Status(StatusCode.ERROR) if record.status_code >= 500 else _UNSET,
            start_time=_nanoseconds(started),
            end_time=_nanoseconds(record.completed_at),
            instrumentation_scope=self._scope,
        )


def operation_of(path: str) -> str:
    """`gen_ai.operation.name` of a path; where the conventions have no word, the path's own."""
    return _OPERATIONS.get(path) or path.removeprefix("/v1/").replace("/", "_")


def _served(method: str, route: str, record: Record, attempts: int) -> Attributes:
    attributes: Attributes = {
        "http.request.method": method,
        "http.route": route,
        "url.path": route,
        "http.response.status_code": record.status_code,
        "gen_ai.operation.name": operation_of(record.path),
        "gen_ai.request.model": record.model,
        "dwctl.request.id": f"resp_{record.id}",
        "dwctl.attempts": attempts,
    }
    if record.user_agent is not None:
        attributes["user_agent.original"] = record.user_agent
    if record.overhead_ms is not None:
        attributes["dwctl.overhead_ms"] = record.overhead_ms
    error = _error(record)
    if error:
        attributes["error.type"] = error
    return attributes


def _asked(attempt: Attempt, record: Record) -> Attributes:
    """What is known of an attempt when it begins."""
    target = attempt.target
    host, port = _place(target.url)
    attributes: Attributes = {
        "gen_ai.operation.name": operation_of(record.path),
        "gen_ai.provider.name": target.endpoint_name,
        "gen_ai.request.model": target.model_name,
        "server.address": host,
        "server.port": port,
    }
    if record.stream:
        attributes["gen_ai.request.stream"] = True
    return attributes


def _answered(attributes: Attributes, record: Record, waited: float) -> None:
    """Add what the last attempt, which began so many seconds after the call, has brought."""
    known: tuple[tuple[str, str | int | None], ...] = (
        ("http.response.status_code", record.upstream_status),
        ("gen_ai.response.model", record.response_model),
        ("gen_ai.usage.input_tokens", record.prompt_tokens),
        ("gen_ai.usage.output_tokens", record.completion_tokens),
        ("gen_ai.usage.reasoning.output_tokens", record.reasoning_tokens),
        ("gen_ai.usage.cache_read.input_tokens", record.cached_tokens),
    )
    for name, value in known:
        if value is not None:
            attributes[name] = value
    if record.finish_reason is not None:
        attributes["gen_ai.response.finish_reasons"] = (record.finish_reason,)
    if record.stream and record.first_byte_ms is not None:
        attributes["gen_ai.response.time_to_first_chunk"] = max(0.0, record.first_byte_ms / 1000 - waited)


def _error(record: Record) -> str:
    """`error.type` of a call; empty for one that went well."""
    if record.error_message is None and record.status_code < 400:
        return ""
    return record.error_code or str(record.status_code)


@lru_cache(maxsize=1024)
def _place(url: str) -> tuple[str, int]:
    """Host and port of a model server."""
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)


def _state(text: str) -> TraceState:
    return TraceState.from_header([text]) if text else _NO_STATE


def _remote(parent: Parent) -> SpanContext:
    flags = TraceFlags(TraceFlags.SAMPLED if parent.sampled else TraceFlags.DEFAULT)
    return SpanContext(parent.trace_id, parent.span_id, True, flags, _state(parent.state))


def _context(parent: Parent) -> Context:
    return set_span_in_context(NonRecordingSpan(_remote(parent)), Context())


def _nanoseconds(seconds: float) -> int:
    return int(seconds * 1e9)
