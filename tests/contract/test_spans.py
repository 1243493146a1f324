"""The product sends spans where the standard's variables say, from every worker, and says what is missing."""

from pathlib import Path

import openai
import pytest

from tests.cli.command import dwctl
from tests.fakes.collector import collector
from tests.fakes.model import MODEL
from tests.fakes.upstream import UpstreamThread
from tests.processes import ROOT
from tests.server_process import Product

pytestmark = pytest.mark.xdist_group("contract")


def call(product: Product) -> None:
    """One chat completion."""
    with openai.OpenAI(base_url=product.base_url, api_key=product.key, max_retries=0, timeout=20) as client:
        client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "Say hello."}])


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.long)])
def test_spans_go_where_the_variables_say(data_dir: Path, upstream: UpstreamThread, workers: int) -> None:
    with collector() as receiver:
        environment = {
            **receiver.variables,
            "DWCTL_ENABLE_OTEL_EXPORT": "true",
            "DWCTL_WORKERS": str(workers),
            "OTEL_EXPORTER_OTLP_HEADERS": "x-tenant=mine",
            "OTEL_SERVICE_NAME": "the gateway",
            "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test",
        }
        product = Product(data_dir, upstream=upstream.url, environment=environment)
        try:
            product.start()
            for _ in range(4):
                call(product)
            spans = receiver.wait_for(8)
        finally:
            product.close()
        assert {(head["path"], head["x-tenant"]) for head in receiver.heads} == {("/v1/traces", "mine")}
    assert {span.resource["service.name"] for span in spans} == {"the gateway"}
    assert {span.resource["deployment.environment.name"] for span in spans} == {"test"}
    assert len({span.resource["service.instance.id"] for span in spans}) <= workers


def test_what_has_gathered_is_sent_at_the_end(data_dir: Path, upstream: UpstreamThread) -> None:
    with collector() as receiver:
        environment = {
            **receiver.variables,
            "DWCTL_ENABLE_OTEL_EXPORT": "true",
            "OTEL_BSP_SCHEDULE_DELAY": "3600000",
        }
        product = Product(data_dir, upstream=upstream.url, environment=environment)
        try:
            product.start()
            call(product)
        finally:
            product.close()
        assert len(receiver.wait_for(2)) == 2


def test_the_missing_extra_is_named_before_anything_starts(data_dir: Path) -> None:
    # A package of that name that has nothing in it stands before the real one.
    hidden = data_dir / "hidden" / "opentelemetry"
    hidden.mkdir(parents=True)
    (hidden / "__init__.py").touch()
    environment = {"DWCTL_ENABLE_OTEL_EXPORT": "true", "PYTHONPATH": f"{hidden.parent}:{ROOT / 'src'}"}
    ended = dwctl("serve", "--validate", directory=data_dir, environment=environment)
    assert ended.status == 1
    assert "the extra is not installed; run: pip install 'dwctl[otel]'" in ended.errors
    assert dwctl("serve", "--validate", directory=data_dir, environment={}).status == 0
