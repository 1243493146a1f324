"""The port hands WebSockets of realtime APIs to the gateway, over the whole product."""

import base64
import http.client
import json
import os
from urllib.parse import urlsplit

import openai
import pytest

from tests.fakes.model import MODEL
from tests.fakes.upstream import UpstreamThread
from tests.server_process import Product

pytestmark = pytest.mark.xdist_group("contract")


def shake(product: Product, key: str) -> http.client.HTTPResponse:
    """The answer to a WebSocket's opening."""
    connection = http.client.HTTPConnection(urlsplit(product.address).netloc, timeout=20)
    headers = {
        "authorization": f"Bearer {key}",
        "connection": "Upgrade",
        "upgrade": "websocket",
        "sec-websocket-version": "13",
        "sec-websocket-key": base64.b64encode(os.urandom(16)).decode(),
    }
    connection.request("GET", f"/ai/v1/realtime?model={MODEL}", headers=headers)
    return connection.getresponse()


def test_a_server_that_has_no_such_route_is_told_and_recorded(
    client: openai.OpenAI, product: Product, upstream: UpstreamThread
) -> None:
    answer = shake(product, product.key)
    assert answer.status == 404
    assert upstream.requests[-1].target == f"/v1/realtime?model={MODEL}"
    name = answer.headers["x-onwards-response-id"]
    stored = client.responses.retrieve(name)
    assert (stored.id, stored.status) == (name, "failed")


def test_a_wrong_key_is_told_in_the_envelope(product: Product) -> None:
    answer = shake(product, "sk-wrong")
    assert answer.status == 401
    assert json.loads(answer.read())["error"]["code"] == "invalid_api_key"
