"""Behind a proxy that says ahead of each connection whose it is, with TLS after that, over two workers."""

import asyncio
import http.client
import json
import socket
from contextlib import closing, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.fakes.certificates import Certificate
from tests.fakes.upstream import upstream_in_thread
from tests.server_process import Product
from tests.workers.crew import HELLO, calls_by_worker

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("workers")]
EACH = 8


class Introduced(http.client.HTTPConnection):
    """A client as the proxy passes it on."""

    def __init__(self, product: Product, certificate: Certificate, client: str) -> None:
        place = urlsplit(product.address)
        super().__init__(place.hostname or "", place.port, timeout=20)
        self._context = certificate.client_context()
        self._header = f"PROXY TCP4 {client} 192.0.2.1 4711 443\r\n".encode()

    def connect(self) -> None:
        """Say whose it is, then speak TLS."""
        super().connect()
        self.sock.sendall(self._header)
        self.sock = self._context.wrap_socket(self.sock, server_hostname="localhost")

    def ask(self, method: str, path: str, body: bytes, **headers: str) -> tuple[int, Any, str]:
        """Status, JSON and cookie of an answer."""
        self.request(method, path, body, {"content-type": "application/json", **headers})
        answer = self.getresponse()
        return (
            answer.status,
            json.loads(answer.read()),
            (answer.headers.get("set-cookie") or "").partition(";")[0],
        )


def test_keys_see_the_clients_networks_in_every_worker(data_dir: Path) -> None:
    certificate = Certificate()
    certificate.write(data_dir / "tls.pem", data_dir / "tls.key")
    environment = {
        "DWCTL_LISTENER__CERTIFICATE": str(data_dir / "tls.pem"),
        "DWCTL_LISTENER__PRIVATE_KEY": str(data_dir / "tls.key"),
        "DWCTL_LISTENER__PROXY_PROTOCOL": "true",
        "DWCTL_GATEWAY__TRUSTED_PROXIES": '["127.0.0.1"]',
    }
    with upstream_in_thread() as upstream:
        product = Product(
            data_dir, upstream=upstream.url, arguments=["--workers", "2"], environment=environment
        )
        product.start()
        try:
            _inside_and_outside(product, certificate, data_dir)
        finally:
            product.end()


def _inside_and_outside(product: Product, certificate: Certificate, home: Path) -> None:
    with closing(Introduced(product, certificate, "203.0.113.1")) as admin:
        account = {"email": product.admin_email, "password": product.admin_password}
        status, _, cookie = admin.ask("POST", "/authentication/login", json.dumps(account).encode())
        assert status == 200
        wanted = json.dumps({"name": "here", "allowed_cidrs": ["203.0.113.0/24"]}).encode()
        status, made, _ = admin.ask("POST", "/admin/api/v1/users/current/api-keys", wanted, cookie=cookie)
        assert status == 201, made
    bearer = f"Bearer {made['key']}"
    for client, expected in (("203.0.113.7", 200), ("198.51.100.7", 403)):
        clients = [Introduced(product, certificate, client) for _ in range(EACH)]
        for each in clients:
            assert each.ask("POST", "/ai/v1/chat/completions", HELLO, authorization=bearer)[0] == expected
        for each in clients:
            each.close()
    assert len(asyncio.run(calls_by_worker(home, EACH))) == 2
    place = urlsplit(product.address)
    with (
        socket.create_connection((place.hostname, place.port), timeout=20) as silent,
        suppress(ConnectionError),
    ):
        silent.sendall(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        assert silent.recv(100) == b""
