"""What a shape can't say of agent.yaml: what excludes what, names that must be there, addresses, times, files.

Each rule looks only at nodes of the type that it expects: the shape has told of the others already.
"""

from __future__ import annotations

import ipaddress
import os
import re
import stat
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path, PurePosixPath
from string import Template
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from engine.gitops.moments import EPOCH
from specs.node import Node
from specs.source import Related, Report

GIT_ONLY = ("branch", "tag", "commit", "only", "submodules", "lfs", "credentials", "signatures", "status")
SCHEMES = {"https", "http", "ssh", "file", "git+ssh"}
SCP = re.compile(r"^(?:[\w.-]+@)?[\w.-]+:(?!//|:)")
# What a notification's template may hold.
FILLED = ("id", "at", "kind", "project", "revision", "text", "host")
SINKS = ("webhook", "webhook_file", "slack_file", "command")
SECRET_FILES = ("password_file", "ssh_key_file", "secret_file", "token_file", "file", "slack_file", "webhook_file")
OTHER_FILES = ("known_hosts_file", "ca_file", "keyring", "allowed_signers")


def check_settings(root: Node, report: Report) -> None:
    check_sources(root, report)
    check_engine(root.get("engine"), report)
    check_policy(root.get("defaults"), report)
    check_api(root.get("api"), report)
    for node in items(root.get("notifications")):
        exactly_one(node, SINKS, "a notification", report)
        check_template(node.get("template"), report)
    check_files(root, report)


def check_sources(root: Node, report: Report) -> None:
    sources = mapping(root.get("sources"))
    for node in sources.values():
        if type(node.value) is dict:
            check_source(node, report)
    check_names(sources, report)


def check_source(node: Node, report: Report) -> None:
    exactly_one(node, ("git", "directory"), "a source", report)
    exactly_one(node, ("branch", "tag", "commit"), "", report, least=0)
    if not any(node.get(key) for key in ("projects", "discover", "more")):
        hint = "write projects: {NAME: {path: FOLDER}}, or discover: {pattern: '*/compose.yaml'}"
        report.error("missing-key", "the source has no projects", node.key_span, hint=hint)
    if node.get("directory") and not node.get("git"):
        for key in GIT_ONLY:
            if (found := node.get(key)) is not None:
                report.error("exclusive-keys", f"{key} is for git sources", found.key_span)
    check_url(node.get("git"), report)
    if (signatures := node.get("signatures")) is not None and not mapping(signatures):
        hint = "name a keyring, or a file of allowed_signers"
        report.error("missing-key", "signatures names nobody whose signature counts", signatures.key_span, hint=hint)
    for project in mapping(node.get("projects")).values():
        check_inside(project.get("path"), report)
        check_policy(project, report)
    check_policy(node.get("discover"), report)
    check_inside(node.get("more"), report)
    for only in items(node.get("only")):
        check_inside(only, report)


def check_url(node: Node | None, report: Report) -> None:
    if node is None or type(node.value) is not str:
        return
    url = node.value
    if url.startswith("/") or SCP.match(url):
        return
    try:
        parts = urlsplit(url)
        password = parts.password
    except ValueError as error:
        report.error("bad-format", f"{url!r} is no address of a repository: {error}", node.span)
        return
    if parts.scheme not in SCHEMES or url.startswith("-"):
        hint = "write https://…, ssh://…, file:///… or user@host:path"
        report.error("bad-format", f"{url!r} is no address of a repository", node.span, hint=hint)
    elif password is not None:
        hint = "credentials: {username: …, password_file: /…}"
        report.error("secret-in-file", "an address can't hold a password: put it in a file", node.span, hint=hint)


def check_inside(node: Node | None, report: Report) -> None:
    """A path within the source: neither absolute nor leading out of it."""
    if node is None or type(node.value) is not str:
        return
    path = PurePosixPath(node.value)
    if path.is_absolute() or ".." in path.parts:
        message = f"{node.value!r} leads out of the source"
        report.error("bad-path", message, node.span, hint="paths are relative to the source's root")


def check_policy(node: Node | None, report: Report) -> None:
    if node is None or type(node.value) is not dict:
        return
    check_engine(node.get("engine"), report)
    for window in items(node.get("windows")):
        check_window(window, report)


def check_engine(node: Node | None, report: Report) -> None:
    if node is not None:
        exactly_one(node, ("host", "context"), "an engine", report)


def check_window(node: Node, report: Report) -> None:
    cron, zone = node.get("cron"), node.get("timezone")
    if cron is not None and type(cron.value) is str:
        try:
            next(CronSim(cron.value, EPOCH))
        except (CronSimError, StopIteration) as error:
            hint = "five fields: minute hour day month weekday, such as 0 2 * * *"
            report.error("bad-format", f"{cron.value!r} is no cron time: {error}", cron.span, hint=hint)
    if zone is not None and type(zone.value) is str:
        try:
            ZoneInfo(zone.value)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            hint = "a name such as Europe/Berlin"
            report.error("bad-format", f"{zone.value!r} is no time zone of this machine", zone.span, hint=hint)


def check_api(node: Node | None, report: Report) -> None:
    listen = node.get("listen") if node else None
    if node is None or listen is None:
        return
    for each in items(listen) or [listen]:
        if type(each.value) is str and not each.value.startswith("/"):
            check_port(each, node, report)


def check_port(listen: Node, node: Node, report: Report) -> None:
    host, _, port = listen.value.rpartition(":")
    try:
        loopback = host == "localhost" or ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        loopback = False
    if not loopback or not port.isdigit() or not int(port) < 65536:
        hint = "127.0.0.1:8585, or the path of a socket; for other machines put a proxy with TLS before it"
        message = f"{listen.value!r} is neither a loopback address with a port nor a socket's path"
        report.error("bad-format", message, listen.span, hint=hint)
    elif not items(node.get("tokens")):
        hint = "tokens: [{role: read, file: /…}]; a unix socket needs none"
        report.error("missing-key", "on a port everybody on this machine can ask: name tokens", listen.span, hint=hint)


def check_template(node: Node | None, report: Report) -> None:
    if node is None or type(node.value) is not str:
        return
    template = Template(node.value)
    if not template.is_valid():
        hint = "a dollar sign that stands for itself is $$"
        report.error("bad-format", f"{node.value!r} is no template", node.span, hint=hint)
        return
    for name in template.get_identifiers():
        if name not in FILLED:
            close = get_close_matches(name, FILLED, 1)
            hint = f"did you mean ${close[0]}?" if close else f"there are ${', $'.join(FILLED)}"
            report.error("unknown-name", f"nothing fills ${name} in", node.span, hint=hint)


def check_names(sources: dict[str, Node], report: Report) -> None:
    """Project names stand once; what `after` names is there, and goes in no circle."""
    seen: dict[str, Node] = {}
    waits: dict[str, list[Node]] = {}
    for source in sources.values():
        for key, node in mapping(source.get("projects")).items():
            if key in seen and (first := seen[key].key_span):
                related = (Related("first written here", first),)
                report.error("duplicate-key", f'there are two projects "{key}"', node.key_span, related=related)
            seen[key] = node
            waits[key] = [each for each in items(node.get("after")) if type(each.value) is str]
    open_ended = any(source.get("discover") or source.get("more") for source in sources.values())
    for key, nodes in waits.items():
        for node in nodes:
            if node.value not in seen and not open_ended:
                close = get_close_matches(node.value, seen, 1)
                hint = f'did you mean "{close[0]}"?' if close else None
                message = f'project "{key}" comes after "{node.value}", which is not defined'
                report.error("unknown-project", message, node.span, hint=hint)
            elif node.value in reachable(node.value, waits):
                message = f'project "{key}" comes after "{node.value}", which in the end comes after itself'
                report.error("cycle", message, node.span)


def reachable(start: str, waits: dict[str, list[Node]]) -> set[str]:
    found: set[str] = set()
    left = [start]
    while left:
        for node in waits.get(left.pop(), ()):
            if node.value not in found:
                found.add(node.value)
                left.append(node.value)
    return found


def check_files(node: Node, report: Report) -> None:
    """Named files are there, and secret ones are nobody else's to read. Warnings: a file may come before the agent."""
    for key, child in named(node):
        if key not in (*SECRET_FILES, *OTHER_FILES) or type(child.value) is not str:
            continue
        try:
            status = Path(child.value).stat()
        except OSError as error:
            report.warning("file-missing", f"can't read {child.value}: {error.strerror}", child.span)
            continue
        if key in SECRET_FILES and stat.S_IMODE(status.st_mode) & 0o077 and os.path.isfile(child.value):
            hint = f"chmod 600 {child.value}"
            report.warning("open-secret", f"others can read {child.value}", child.span, hint=hint)


def named(node: Node) -> Iterator[tuple[str, Node]]:
    if type(node.value) is dict:
        for key, child in node.value.items():
            yield key, child
            yield from named(child)
    elif type(node.value) is list:
        for child in node.value:
            yield from named(child)


def exactly_one(node: Node, keys: tuple[str, ...], what: str, report: Report, *, least: int = 1) -> None:
    if type(node.value) is not dict:
        return
    given = [key for key in keys if key in node.value]
    if len(given) < least:
        report.error("missing-key", f"{what} needs one of {', '.join(keys)}", node.key_span or node.span)
    for key in given[1:]:
        message = f"{key} can't stand beside {given[0]}: leave one out"
        report.error("exclusive-keys", message, node.value[key].key_span)


def mapping(node: Node | None) -> dict[str, Node]:
    return node.value if node is not None and type(node.value) is dict else {}


def items(node: Node | None) -> list[Node]:
    return node.value if node is not None and type(node.value) is list else []
