"""The proxy between us and a server, as the environment names it, and a tunnel through it.

Source: RFC 9110 9.3.6 (CONNECT); HTTP_PROXY, HTTPS_PROXY and NO_PROXY as curl and Go read them.
"""

from __future__ import annotations

import base64
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

import anyio
from anyio.abc import ByteStream

from engine.http.connection import LARGEST_HEAD, LOST
from engine.http.dial import CONNECT_SECONDS, dial_tcp
from engine.http.errors import ConnectFailed


@dataclass(frozen=True, slots=True)
class Proxy:
    """`authorization` is what Proxy-Authorization says, empty for nothing."""

    host: str
    port: int
    authorization: str = ""

    @property
    def headers(self) -> dict[str, str]:
        return {"proxy-authorization": self.authorization} if self.authorization else {}


def proxy_for(scheme: str, host: str, port: int, environment: Mapping[str, str]) -> Proxy | None:
    """None: straight. Raises ConnectFailed for a proxy that isn't http://."""
    text = environment.get(f"{scheme}_proxy") or environment.get(f"{scheme.upper()}_PROXY") or ""
    if not text or bypassed(host, port, environment.get("no_proxy") or environment.get("NO_PROXY") or ""):
        return None
    parts = urlsplit(text if "://" in text else f"http://{text}")
    if parts.scheme != "http" or not parts.hostname:
        raise ConnectFailed(f"the proxy {parts.scheme}://{parts.hostname or ''} can't be used: want http://host:port")
    said = f"{unquote(parts.username)}:{unquote(parts.password or '')}" if parts.username else ""
    authorization = f"Basic {base64.b64encode(said.encode()).decode()}" if said else ""
    return Proxy(parts.hostname, parts.port or 80, authorization)


def bypassed(host: str, port: int, no_proxy: str) -> bool:
    """Loopback never goes through a proxy, nor what NO_PROXY names: hosts, .domains, networks, or *."""
    if host == "localhost" or ((address := address_of(host)) is not None and address.is_loopback):
        return True
    for entry in no_proxy.replace(",", " ").split():
        name, _, said = entry.partition(":") if entry.count(":") == 1 else (entry, "", "")
        if said and said != str(port):
            continue
        if name == "*" or host == name.lstrip(".") or host.endswith(f".{name.lstrip('.')}") or within(host, name):
            return True
    return False


def address_of(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def within(host: str, network: str) -> bool:
    address = address_of(host)
    try:
        return address is not None and address in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False


async def tunnel(proxy: Proxy, host: str, port: int) -> ByteStream:
    """A stream to the server through the proxy. Raises ConnectFailed."""
    stream = await dial_tcp(proxy.host, proxy.port)
    where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    lines = [f"CONNECT {where} HTTP/1.1", f"Host: {where}", *(f"{k}: {v}" for k, v in proxy.headers.items()), "", ""]
    try:
        with anyio.fail_after(CONNECT_SECONDS):
            await stream.send("\r\n".join(lines).encode("latin-1"))
            head = b""
            while not head.endswith(b"\r\n\r\n") and len(head) < LARGEST_HEAD:
                # byte by byte: what comes after the head is the server's
                head += await stream.receive(1)
    except BaseException as error:
        await anyio.aclose_forcefully(stream)
        if isinstance(error, (TimeoutError, *LOST)):
            raise ConnectFailed(f"the proxy {proxy.host}:{proxy.port} gave no answer") from error
        raise
    status = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ", 2)
    if len(status) < 2 or not status[1].startswith("2"):
        await anyio.aclose_forcefully(stream)
        raise ConnectFailed(f"the proxy {proxy.host}:{proxy.port} refused: {' '.join(status[1:])}")
    return stream
