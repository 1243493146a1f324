"""TLS on the port: calls, and a certificate that is renewed while clients go on."""

import http.client
import os
import shutil
import signal
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import pytest

from tests.fakes.certificates import Certificate
from tests.fakes.model import MODEL
from tests.fakes.upstream import UpstreamThread
from tests.server_process import Product
from tests.waiting import until

pytestmark = pytest.mark.xdist_group("contract")
CLIENTS = 8
HELLO = msgspec.json.encode({"model": MODEL, "messages": [{"role": "user", "content": "Hello"}]})


class Site:
    """A product with two workers behind TLS, and the files of its certificate."""

    def __init__(self, home: Path, upstream: str) -> None:
        self.first = Certificate()
        self._certificate, self._key = home / "tls.pem", home / "tls.key"
        self.put(self.first)
        paths = {
            "DWCTL_LISTENER__CERTIFICATE": str(self._certificate),
            "DWCTL_LISTENER__PRIVATE_KEY": str(self._key),
        }
        self.product = Product(home, upstream=upstream, arguments=["--workers", "2"], environment=paths)

    def put(self, certificate: Certificate, *, key_of: Certificate | None = None) -> None:
        """Lay down another pair; with `key_of` one that does not fit."""
        (key_of or certificate).write(self._certificate, self._key)
        if key_of is not None:
            self._certificate.write_text(certificate.pem, encoding="ascii")

    def renew(self, lines: int, said: str) -> None:
        """SIGHUP, and wait until both workers have said what they did."""
        os.kill(self.product.pid, signal.SIGHUP)
        until(lambda: self.product.output.count(said) == lines, f"{said}, {lines} times")

    def connect(self, trusted: Certificate, stack: ExitStack) -> http.client.HTTPSConnection:
        """A client that trusts this certificate alone."""
        place = urlsplit(self.product.address)
        made = http.client.HTTPSConnection(
            place.hostname or "", place.port, timeout=20, context=trusted.client_context()
        )
        stack.enter_context(closing(made)).connect()
        return made

    def call(self, connection: http.client.HTTPSConnection) -> int:
        """The status of one call."""
        headers = {"authorization": f"Bearer {self.product.key}", "content-type": "application/json"}
        connection.request("POST", "/ai/v1/chat/completions", HELLO, headers)
        answer = connection.getresponse()
        answer.read()
        return answer.status

    def trusts(self, trusted: Certificate) -> bool:
        """Whether all new connections, to either worker, have this certificate."""
        with ExitStack() as stack, suppress(ssl.SSLCertVerificationError):
            return [self.call(self.connect(trusted, stack)) for _ in range(CLIENTS)] == [200] * CLIENTS
        return False


@pytest.fixture
def site(open_directory: Path, upstream: UpstreamThread) -> Iterator[Site]:
    """Running."""
    home = Path(tempfile.mkdtemp(dir=open_directory))
    home.chmod(0o755)
    made = Site(home, upstream.url)
    made.product.start()
    yield made
    made.product.close()
    shutil.rmtree(home, ignore_errors=True)


def test_a_certificate_is_renewed_while_clients_go_on(site: Site) -> None:
    assert site.product.address.startswith("https://")
    second = Certificate()
    with ExitStack() as stack:
        before = [site.connect(site.first, stack) for _ in range(CLIENTS)]
        assert [site.call(each) for each in before] == [200] * CLIENTS
        site.put(second)
        site.renew(2, "the certificate is renewed")
        assert site.trusts(second)
        assert not site.trusts(site.first)
        assert [site.call(each) for each in before] == [200] * CLIENTS
        site.put(Certificate(), key_of=second)
        site.renew(2, "the certificate is not renewed, the old one stays in use")
        assert site.trusts(second)
