"""A receiver of spans as OpenTelemetry's collector is one: OTLP over HTTP on real TCP, in a thread of its own."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from tests.waiting import until


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """One span, as it was decoded."""

    name: str
    kind: str
    trace_id: str
    span_id: str
    parent_id: str
    """Empty for the first of a trace."""
    state: str
    began: float
    """Unix seconds."""
    ended: float
    failed: bool
    attributes: dict[str, Any]
    resource: dict[str, Any]


class Collector:
    """What has been received."""

    def __init__(self) -> None:
        self.url = ""
        self.spans: list[Span] = []
        self.heads: list[dict[str, str]] = []
        """Of each request, by lower-case names."""
        self.status = 200
        """How requests are answered."""

    @property
    def variables(self) -> dict[str, str]:
        """The environment of a process that sends its spans here, soon."""
        return {"OTEL_EXPORTER_OTLP_ENDPOINT": self.url, "OTEL_BSP_SCHEDULE_DELAY": "50"}

    def wait_for(self, count: int) -> list[Span]:
        """So many spans, in the order in which they ended."""
        try:
            until(lambda: len(self.spans) >= count, deadline=20, what=f"{count} spans have come")
        except AssertionError as error:
            error.add_note(f"have come, in {len(self.heads)} requests: {self.spans}")
            raise
        return sorted(self.spans, key=lambda span: span.ended)

    def take(self, body: bytes) -> None:
        """One request."""
        request = ExportTraceServiceRequest.FromString(body)
        for batch in request.resource_spans:
            resource = _plain(batch.resource.attributes)
            for scope in batch.scope_spans:
                self.spans += [
                    Span(
                        name=span.name,
                        kind={2: "server", 3: "client"}[span.kind],
                        trace_id=span.trace_id.hex(),
                        span_id=span.span_id.hex(),
                        parent_id=span.parent_span_id.hex(),
                        state=span.trace_state,
                        began=span.start_time_unix_nano / 1e9,
                        ended=span.end_time_unix_nano / 1e9,
                        failed=span.status.code == 2,
                        attributes=_plain(span.attributes),
                        resource=resource,
                    )
                    for span in scope.spans
                ]


def _plain(pairs: Any) -> dict[str, Any]:
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    return (
        [_value(each) for each in value.array_value.values] if kind == "array_value" else getattr(value, kind)
    )


@contextmanager
def collector() -> Iterator[Collector]:
    """A receiver, listening."""
    made = Collector()

    class Handler(BaseHTTPRequestHandler):
        """Reads a request whole and answers it."""

        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            """As the protocol has it: the path says what comes."""
            body = self.rfile.read(int(self.headers["content-length"]))
            made.heads.append(
                {"path": self.path, **{name.lower(): text for name, text in self.headers.items()}}
            )
            if made.status == 200 and self.path == "/v1/traces":
                made.take(body)
            answer = ExportTraceServiceResponse().SerializeToString()
            self.send_response(made.status)
            self.send_header("content-type", "application/x-protobuf")
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    made.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
