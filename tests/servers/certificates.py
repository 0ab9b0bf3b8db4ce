"""Certificates for servers that a test lets speak TLS: an authority of one's own and what it has signed."""

from __future__ import annotations

import datetime
import ipaddress
from pathlib import Path

import attrs


@attrs.frozen
class Certificates:
    """Paths of PEM files. The server's is good for 127.0.0.1 and localhost; the client's for anybody."""

    ca: Path
    server: Path
    server_key: Path
    client: Path
    client_key: Path


def make_certificates(directory: Path) -> Certificates:
    """Write an authority and two certificates of it, good for a day."""
    from cryptography import x509  # here, so that tests without TLS do not need it
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    now = datetime.datetime.now(datetime.UTC)
    authority_key = ec.generate_private_key(ec.SECP256R1())
    authority_name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "backbeat tests")])
    directory.mkdir(parents=True, exist_ok=True)

    def write(name: str, *, authority: bool) -> tuple[Path, Path]:
        key = authority_key if authority else ec.generate_private_key(ec.SECP256R1())
        subject = authority_name if authority else x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        addresses = [x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName("localhost")]
        certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(authority_name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName(addresses), critical=False)
            .sign(authority_key, hashes.SHA256())
        )
        pem, key_pem = directory / f"{name}.pem", directory / f"{name}.key"
        pem.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        key_pem.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return pem, key_pem

    ca, _ = write("ca", authority=True)
    server, server_key = write("server", authority=False)
    client, client_key = write("client", authority=False)
    return Certificates(ca, server, server_key, client, client_key)
