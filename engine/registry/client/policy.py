"""What the machine's owner says of registries: mirrors, insecure ones, certificates; and where a name's host is."""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

HUB = "docker.io"
# Docker Hub's names: what references say, where its registry and its search are.
HUB_REGISTRY, HUB_SEARCH = "registry-1.docker.io", "index.docker.io"
CERTIFICATES = (Path("/etc/docker/certs.d"), Path("/etc/containers/certs.d"))
LOOPBACK = ("127.0.0.0/8", "::1/128")


@dataclass(frozen=True, slots=True)
class Policy:
    """`mirrors` are base URLs, for Docker Hub alone. `insecure`: hosts, with port or without, or networks."""

    mirrors: tuple[str, ...] = ()
    insecure: tuple[str, ...] = ()
    certificates: tuple[Path, ...] = CERTIFICATES
    environment: Mapping[str, str] = field(default_factory=dict)

    def is_insecure(self, where: str) -> bool:
        """Whether `host[:port]` may speak plain HTTP or show any certificate; loopback always may."""
        host = host_of(where)
        if host == "localhost":
            return True
        entries = (*LOOPBACK, *self.insecure)
        return any(entry in {where, host} or is_within(host, entry) for entry in entries)

    def context(self, where: str) -> ssl.SSLContext:
        """Certificates of one's own from certs.d/<host:port>: *.crt to trust, *.cert with *.key to show."""
        context = ssl.create_default_context()
        if self.is_insecure(where):
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        for folder in (path / where for path in self.certificates):
            if not folder.is_dir():
                continue
            for authority in sorted(folder.glob("*.crt")):
                context.load_verify_locations(authority)
            for certificate in sorted(folder.glob("*.cert")):
                context.load_cert_chain(certificate, certificate.with_suffix(".key"))
        return context


def host_of(where: str) -> str:
    """Without the port."""
    if where.startswith("["):
        return where[1:].partition("]")[0]
    return where.partition(":")[0] if where.count(":") == 1 else where


def is_within(host: str, network: str) -> bool:
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False
