"""The local CA of interception: made for the intercepted hosts and good for nothing else.

Its certificate is constrained to those names (RFC 5280, 4.2.1.10), so that whoever steals its key can imitate these
hosts towards these machines, and no others. Certificates of hosts are made when they are asked for and live for a week.
"""

from __future__ import annotations

import datetime
import ipaddress
import os
import ssl
import tempfile
from collections import OrderedDict
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from bartizan.core.errors import ConfigError, StoreError

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec

CERTIFICATE, KEY = "forward-ca.pem", "forward-ca.key"
CA_DAYS, LEAF_DAYS = 825, 7
LEAF_FRESH_S = 86_400.0
LEAVES = 64  # The configured hosts are a handful.
NAME = "Bartizan interception CA"


def create(home: Path, hosts: Iterable[str], now: datetime.datetime) -> Path:
    """A new CA for these hosts; its certificate's file. Raises StoreError, also where there is one already."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{NAME} {os.urandom(3).hex()}")])
    everywhere = [x509.IPAddress(ipaddress.ip_network(net)) for net in ("0.0.0.0/0", "::/0")]
    usage = x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
    cert = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=CA_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.NameConstraints([x509.DNSName(host) for host in hosts], everywhere), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    _write(home / KEY, private, 0o600)
    _write(home / CERTIFICATE, cert.public_bytes(serialization.Encoding.PEM), 0o644)
    return home / CERTIFICATE


def _write(path: Path, data: bytes, mode: int) -> None:
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        with os.fdopen(file, "wb") as out:
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}") from error


class Authority:
    """The CA of a home, ready to make certificates."""

    def __init__(self, cert: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
        from cryptography.hazmat.primitives.asymmetric import ec

        self.cert, self._key = cert, key
        self._leaf_key = ec.generate_private_key(ec.SECP256R1())  # of all hosts: it lives as long as the process
        self._contexts: OrderedDict[str, tuple[float, ssl.SSLContext]] = OrderedDict()

    @classmethod
    def load(cls, home: Path) -> Authority:
        """Raises ConfigError: there is none, others can read its key, or it is none."""
        from cryptography import x509
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ec

        try:
            with (home / KEY).open("rb") as file:
                if os.fstat(file.fileno()).st_mode & 0o077:
                    raise ConfigError(f"{home / KEY}: others can read the CA's key\n  chmod 600 {home / KEY}")
                key = serialization.load_pem_private_key(file.read(), None)
            cert = x509.load_pem_x509_certificate((home / CERTIFICATE).read_bytes())
        except OSError as error:
            raise ConfigError(
                f"{error.filename}: {error.strerror}: interception needs a CA\n  bartizan usage ca create --home {home}"
            ) from None
        except ValueError:
            raise ConfigError(f"{home / CERTIFICATE}, {home / KEY}: not a certificate and its key") from None
        if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != cert.public_key():
            raise ConfigError(f"{home / CERTIFICATE}, {home / KEY}: do not belong together")
        return cls(cert, key)

    @property
    def hosts(self) -> tuple[str, ...]:
        """The hosts it is for."""
        from cryptography import x509

        permitted = self.cert.extensions.get_extension_for_class(x509.NameConstraints).value.permitted_subtrees
        return tuple(one.value for one in permitted or () if isinstance(one, x509.DNSName))

    def covers(self, host: str) -> bool:
        """Whether a certificate of its would be believed for the host."""
        return any(host == one or host.endswith(f".{one}") for one in self.hosts)

    def context(self, host: str, now: datetime.datetime) -> ssl.SSLContext:
        """A server's side of TLS, as this host."""
        made_s, context = self._contexts.get(host, (0.0, None))
        if context is not None and abs(now.timestamp() - made_s) < LEAF_FRESH_S:
            self._contexts.move_to_end(host)
            return context
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        with tempfile.NamedTemporaryFile(dir=_memory()) as file:  # ssl reads certificates from files alone.
            file.write(self._leaf(host, now))
            file.flush()
            context.load_cert_chain(file.name)
        self._contexts[host] = (now.timestamp(), context)
        if len(self._contexts) > LEAVES:
            self._contexts.popitem(last=False)
        return context

    def _leaf(self, host: str, now: datetime.datetime) -> bytes:
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.x509.oid import ExtendedKeyUsageOID

        key = self._leaf_key
        authority_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        cert = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([]))
            .issuer_name(self.cert.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(min(now + datetime.timedelta(days=LEAF_DAYS), self.cert.not_valid_after_utc))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=True)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(authority_key, critical=False)
            .sign(self._key, hashes.SHA256())
        )
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return private + cert.public_bytes(serialization.Encoding.PEM)


def _memory() -> str | None:
    """A folder that no disk keeps, where there is one."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108  Mode 0600 from its first moment.
