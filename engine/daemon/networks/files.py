"""What a container finds in /etc/hosts and /etc/resolv.conf. Pure: the host's own files are given as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address

from engine.daemon.networks.endpoint import Endpoint
from engine.daemon.protocols import Attachment

OWN_RESOLVER = "127.0.0.11"
PUBLIC_RESOLVERS = ("8.8.8.8", "8.8.4.4")
HOSTS = """\
127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::0\tip6-localnet
ff00::0\tip6-mcastprefix
ff02::1\tip6-allnodes
ff02::2\tip6-allrouters
"""
HOST_GATEWAY = "host-gateway"


@dataclass(frozen=True, slots=True)
class ResolvConf:
    servers: tuple[str, ...] = ()
    search: tuple[str, ...] = ()
    options: tuple[str, ...] = ()


def read_resolv_conf(text: str) -> ResolvConf:
    servers: list[str] = []
    search: tuple[str, ...] = ()
    options: list[str] = []
    for line in text.splitlines():
        words = line.split("#")[0].split(";")[0].split()
        match words[:1]:
            case ["nameserver"] if len(words) > 1:
                servers.append(words[1])
            case ["search" | "domain"]:
                search = tuple(words[1:])
            case ["options"]:
                options += words[1:]
    return ResolvConf(tuple(servers), search, tuple(options))


def resolv_conf(attachment: Attachment, host: ResolvConf, *, own_resolver: bool) -> bytes:
    """`own_resolver`: 127.0.0.11 answers, and asks the others itself; else they are named here."""
    servers: Sequence[str] = attachment.dns or outside(host.servers)
    if own_resolver:
        servers = (OWN_RESOLVER,)
    search = [domain for domain in attachment.dns_search if domain != "."] if attachment.dns_search else host.search
    options = list(attachment.dns_options or host.options)
    if own_resolver and not any(option.startswith("ndots:") for option in options):
        options.append("ndots:0")
    lines = [f"nameserver {server}" for server in servers]
    if search:
        lines.append(f"search {' '.join(search)}")
    if options:
        lines.append(f"options {' '.join(options)}")
    return "".join(f"{line}\n" for line in lines).encode()


def outside(servers: Sequence[str]) -> Sequence[str]:
    """Without those that only the host itself reaches; the public ones when none is left, as Docker does."""
    reachable = []
    for server in servers:
        try:
            if not ip_address(server.partition("%")[0]).is_loopback:
                reachable.append(server)
        except ValueError:
            continue
    return reachable or PUBLIC_RESOLVERS


@dataclass(frozen=True, slots=True)
class Linked:
    """A container that another is linked to in the default bridge."""

    address: str
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a hosts file says besides the container's own places."""

    linked: Sequence[Linked] = ()
    host_gateway: str = ""
    base: str = field(default=HOSTS)


def hosts(attachment: Attachment, endpoints: Sequence[Endpoint], around: Surroundings) -> bytes:
    lines = []
    for extra in attachment.extra_hosts:
        name, _, address = extra.partition("=") if "=" in extra else extra.partition(":")
        address = around.host_gateway if address == HOST_GATEWAY else address.strip("[]")
        if name and address:
            lines.append(f"{address}\t{name}")
    for linked in around.linked:
        lines.append(f"{linked.address}\t{' '.join(linked.names)}")
    own = own_names(attachment)
    for endpoint in endpoints:
        lines += [f"{address}\t{own}" for address in endpoint.addresses if own]
    return (around.base + "".join(f"{line}\n" for line in lines)).encode()


def own_names(attachment: Attachment) -> str:
    if attachment.domainname:
        return f"{attachment.hostname}.{attachment.domainname} {attachment.hostname}"
    return attachment.hostname


def links_asked(attachment: Attachment) -> Mapping[str, str]:
    """HostConfig.Links: "other:alias" → alias → other."""
    found = {}
    for link in attachment.links:
        name, _, alias = link.partition(":")
        name = name.lstrip("/")
        found[alias.rpartition("/")[2] or name] = name
    return found
