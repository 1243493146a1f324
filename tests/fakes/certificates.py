"""A certificate for 127.0.0.1 and localhost, made when a test asks for it, with contexts for both ends."""

import datetime as dt
import ipaddress
import ssl
import tempfile
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID


class Certificate:
    """Self-signed: the certificate is its own authority."""

    def __init__(self) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        self.pem = _certificate(key).public_bytes(serialization.Encoding.PEM).decode()
        self._key = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ).decode()

    def write(self, certificate: Path, key: Path) -> None:
        """As two files, each replaced whole."""
        for path, text in ((key, self._key), (certificate, self.pem)):
            new = path.with_suffix(".new")
            new.write_text(text, encoding="ascii")
            new.replace(path)

    def server_context(self) -> ssl.SSLContext:
        """For the upstream."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        with tempfile.TemporaryDirectory() as name:
            chain = Path(name, "chain.pem")
            chain.write_text(self._key + self.pem, encoding="ascii")
            context.load_cert_chain(chain)
        return context

    def client_context(self) -> ssl.SSLContext:
        """For a client that trusts this certificate and no other."""
        return ssl.create_default_context(cadata=self.pem)


def _certificate(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "fake upstream")])
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    now = dt.datetime.now(dt.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    )
    return builder.sign(key, hashes.SHA256())
