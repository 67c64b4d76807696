"""Short forms of one line: `8080:80/udp`, `./conf:/etc/app:ro`, `serve --port 80`."""

from __future__ import annotations

import ipaddress
import posixpath
import re
from typing import Any

from specs.node import Node, planted
from specs.resolve.refusal import Refusal, refusal

PORT = re.compile(r"[0-9]+")
COMMAND_FORM = "close it, put it in single quotes, or write a list: [PROGRAM, ARGUMENT…]"
PORT_FORM = "write [IP:][HOST:]CONTAINER[/PROTOCOL]"
MOUNT_WORDS = frozenset({"ro", "rw", "nocopy", "z", "Z"})
PROPAGATIONS = frozenset({"rprivate", "private", "rshared", "shared", "rslave", "slave"})


def parse_ports(node: Node) -> list[Node]:
    """`8080-8082:80-82/udp` → one mapping a port."""
    text: str = node.value
    *address, container = text.rsplit(":", 2) if text.count(":") > 1 else text.split(":")
    host = address[-1] if address else ""
    ip = address[0] if len(address) > 1 else ""
    container, _, protocol = container.partition("/")
    protocol = protocol.lower() or "tcp"
    if protocol not in {"tcp", "udp", "sctp"}:
        raise bad_port(node, f"the protocol {protocol!r} is not tcp, udp or sctp")
    if ip.startswith("[") and ip.endswith("]"):
        ip = ip[1:-1]
    if ip and not is_ip(ip):
        raise bad_port(node, f"{ip!r} is not an IP address")
    first, last = port_range(node, container)
    low, high = port_range(node, host) if host else (0, 0)
    if host and last - first != high - low and first != last:
        raise bad_port(node, f"the ranges {host} and {container} differ in length")
    found = []
    for offset in range(last - first + 1):
        port: dict[str, Any] = {"mode": "ingress", "target": first + offset, "protocol": protocol}
        if port["target"] == 0:
            raise bad_port(node, "port 0 does not exist")
        if ip:
            port["host_ip"] = ip
        if host:
            port["published"] = f"{low}-{high}" if first == last and low != high else str(low + offset)
        found.append(port)
    # Compose sorts the ports of one entry as text: 10 before 9
    found.sort(key=lambda port: f"{port['target']}/{port['protocol']}")
    return [planted(port, node) for port in found]


def bad_port(node: Node, why: str) -> Refusal:
    return refusal(node, "bad-port", f"{node.value!r} is no port mapping: {why}", PORT_FORM)


def port_range(node: Node, text: str) -> tuple[int, int]:
    low, dash, high = text.partition("-")
    if not PORT.fullmatch(low) or (dash and not PORT.fullmatch(high)):
        raise bad_port(node, f"{text!r} is no port or range of ports")
    first, last = int(low), int(high) if dash else int(low)
    if last > 65535 or first > 65535:
        raise bad_port(node, "ports end at 65535")
    if last < first:
        raise bad_port(node, f"the range {text} runs backwards")
    return first, last


def is_ip(text: str) -> bool:
    if "%" in text:
        return False
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def parse_mount(node: Node) -> Node:
    """`SOURCE:TARGET:OPTIONS` → the long form of a mount."""
    text: str = node.value
    if not text:
        raise refusal(node, "bad-mount", "a mount can't be empty")
    if len(text.encode()) <= 2:
        return planted({"type": "volume", "target": text}, node)
    mount: dict[str, Any] = {}
    pieces = split_mount(text)
    for index, piece in enumerate(pieces):
        if not piece:
            raise bad_mount(node, "a part of it is empty")
        last = index == len(pieces) - 1
        if "source" not in mount:
            mount["target" if last else "source"] = piece
        elif "target" not in mount:
            mount["target"] = piece
        elif not last:
            raise bad_mount(node, "it has too many parts")
        else:
            apply_options(mount, piece)
    if is_path(mount.get("source", "")):
        mount["type"] = "bind"
        mount.setdefault("bind", {})["create_host_path"] = True
    else:
        mount["type"] = "volume"
        mount.setdefault("volume", {})
    return planted(mount, node)


def bad_mount(node: Node, why: str) -> Refusal:
    return refusal(node, "bad-mount", f"{node.value!r} is no mount: {why}", "write [SOURCE:]TARGET[:OPTIONS]")


def split_mount(text: str) -> list[str]:
    """At colons, but for that after a single letter: a Windows drive."""
    pieces = [""]
    for char in text:
        if char == ":" and not (len(pieces[-1]) == 1 and pieces[-1].isalpha()):
            pieces.append("")
        else:
            pieces[-1] += char
    return pieces


def apply_options(mount: dict[str, Any], text: str) -> None:
    """Unknown options are ignored, as Compose does."""
    for option in text.split(","):
        if option == "ro":
            mount["read_only"] = True
        elif option == "rw":
            mount.pop("read_only", None)
        elif option == "nocopy":
            mount["volume"] = {"nocopy": True}
        elif option in PROPAGATIONS:
            mount.setdefault("bind", {})["propagation"] = option
        elif option in {"z", "Z"}:
            mount.setdefault("bind", {})["selinux"] = option


def unknown_options(text: str) -> list[str]:
    """The options of a mount's short form that mean nothing: Compose takes them, and does nothing about them."""
    pieces = split_mount(text)
    known = MOUNT_WORDS | PROPAGATIONS
    return [word for word in pieces[2].split(",") if word not in known] if len(pieces) == 3 else []


def is_path(source: str) -> bool:
    return source.startswith((".", "/", "~", "\\\\")) or (len(source) > 1 and source[0].isalpha() and source[1] == ":")


def clean(path: str) -> str:
    """As Go's path.Clean: `a/../b` → `b`, nothing → `.`, `//a` → `/a`."""
    cleaned = posixpath.normpath(path) if path else "."
    return cleaned[1:] if cleaned.startswith("//") else cleaned


def split_command(node: Node) -> list[str]:
    """A command line as Compose's shell splitter reads it: quotes and backslashes, no variables; ends at ; & | < >."""
    words: list[str] = []
    word = ""
    started = escaped = False
    quote = ""
    in_dollar = in_back = False
    for char in node.value:
        if escaped:
            word, escaped, started = word + char, False, True
            continue
        if char == "\\":
            if quote == "'":
                word += char
            else:
                escaped = True
            continue
        if char in " \t\r\n":
            if quote or in_back or in_dollar:
                word += char
            elif started:
                words.append(word)
                word, started = "", False
            continue
        if char == "`" and not quote and not in_dollar:
            in_back = not in_back
        elif char == ")" and not quote and not in_back:
            in_dollar = not in_dollar
        elif char == "(" and not quote and not in_back:
            if in_dollar or not word.endswith("$"):
                raise refusal(node, "bad-command", f"{node.value!r} has a ( that no $ stands before", COMMAND_FORM)
            in_dollar = True
            word += char
            continue
        elif char in "\"'" and not in_dollar and quote in {"", char}:
            started = started or bool(quote)
            quote = "" if quote else char
            continue
        elif char in ";&|<>" and not (quote or in_back or in_dollar):
            if char == ">" and word[:1].isdigit():
                started = False
            break
        started = True
        word += char
    if started:
        words.append(word)
    if escaped or quote or in_back or in_dollar:
        raise refusal(node, "bad-command", f"{node.value!r} has a quote or bracket that nothing closes", COMMAND_FORM)
    return words
