"""Nodes that fit the shape → values, defaults filled in: what a project doesn't say its source's policy says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from engine.gitops.settings.models import (
    ApiSettings,
    CommitStatus,
    Credentials,
    Discovery,
    EngineChoice,
    GitOrigin,
    Heal,
    Notification,
    Policy,
    ProjectSettings,
    Role,
    Settings,
    Signatures,
    SourceSettings,
    Token,
    Webhook,
    Window,
)
from specs.node import Node, plain
from specs.units import seconds

T = TypeVar("T")


def build_settings(file: Path, root: Node) -> Settings:
    engine = engine_of(root.get("engine"))
    defaults = policy_of(root.get("defaults"), Policy(engine=engine))
    return Settings(
        file=file,
        sources=tuple(build_source(name, node, defaults) for name, node in root.value["sources"].value.items()),
        defaults=defaults,
        state=optional(root, "state", Path),
        parallel=int(text(root, "parallel") or 4),
        api=optional_node(root, "api", api_of),
        notifications=tuple(notification_of(node) for node in listed(root.get("notifications"))),
    )


def build_source(name: str, node: Node, defaults: Policy) -> SourceSettings:
    base = SourceSettings(name)
    projects = node.get("projects")
    return SourceSettings(
        name=name,
        git=git_of(node) if node.get("git") else None,
        directory=optional(node, "directory", Path),
        interval_seconds=duration(node, "interval", base.interval_seconds),
        timeout_seconds=duration(node, "timeout", base.timeout_seconds),
        webhook=optional_node(node, "webhook", webhook_of),
        status=optional_node(node, "status", status_of),
        projects=tuple(project_of(key, each, defaults) for key, each in (projects.value if projects else {}).items()),
        discover=optional_node(node, "discover", lambda each: discovery_of(each, defaults)),
        more=text(node, "more"),
    )


def git_of(node: Node) -> GitOrigin:
    return GitOrigin(
        url=text(node, "git") or "",
        branch=text(node, "branch"),
        tag=text(node, "tag"),
        commit=text(node, "commit"),
        only=strings(node, "only"),
        submodules=flag(node, "submodules", True),
        lfs=flag(node, "lfs", False),
        credentials=optional_node(node, "credentials", credentials_of) or Credentials(),
        signatures=optional_node(node, "signatures", signatures_of),
    )


def credentials_of(node: Node) -> Credentials:
    files = ("password_file", "ssh_key_file", "known_hosts_file", "ca_file")
    return Credentials(text(node, "username") or "", **{name: optional(node, name, Path) for name in files})


def signatures_of(node: Node) -> Signatures:
    return Signatures(optional(node, "keyring", Path), optional(node, "allowed_signers", Path))


def webhook_of(node: Node) -> Webhook:
    return Webhook(text(node, "kind") or "", Path(text(node, "secret_file") or ""))


def status_of(node: Node) -> CommitStatus:
    return CommitStatus(
        kind=text(node, "kind") or "",
        url=(text(node, "url") or "").rstrip("/"),
        repository=text(node, "repository") or "",
        token_file=Path(text(node, "token_file") or ""),
        context=text(node, "context") or "rorqual",
    )


def project_of(key: str, node: Node, defaults: Policy) -> ProjectSettings:
    path = text(node, "path") or "."
    return ProjectSettings(key, path, policy_of(node, defaults), strings(node, "files"), text(node, "name"))


def discovery_of(node: Node, defaults: Policy) -> Discovery:
    return Discovery(strings(node, "pattern"), policy_of(node, defaults), strings(node, "exclude"))


def policy_of(node: Node | None, base: Policy) -> Policy:
    if node is None:
        return base
    over = text(node, "approve_over")
    environment = node.get("environment")
    return Policy(
        engine=engine_of(node.get("engine")) if node.get("engine") else base.engine,
        profiles=strings(node, "profiles") if node.get("profiles") else base.profiles,
        env_files=strings(node, "env_files") if node.get("env_files") else base.env_files,
        environment={**base.environment, **{k: written(v.value) for k, v in environment.value.items()}}
        if environment
        else base.environment,
        interval_seconds=duration(node, "interval", base.interval_seconds),
        heal=Heal(text(node, "heal") or base.heal),
        heals_per_hour=int(text(node, "heals_per_hour") or base.heals_per_hour),
        prune=flag(node, "prune", base.prune),
        health_timeout_seconds=duration(node, "health_timeout", base.health_timeout_seconds),
        rollback=flag(node, "rollback", base.rollback),
        approve_over=int(over) if over is not None else base.approve_over,
        after=strings(node, "after") if node.get("after") else base.after,
        windows=tuple(window_of(each) for each in listed(node.get("windows"))) or base.windows,
        suspend=flag(node, "suspend", base.suspend),
    )


def engine_of(node: Node | None) -> EngineChoice:
    return EngineChoice(text(node, "host"), text(node, "context")) if node else EngineChoice()


def window_of(node: Node) -> Window:
    return Window(text(node, "cron") or "", duration(node, "duration", 0.0), text(node, "timezone") or "UTC")


def api_of(node: Node) -> ApiSettings:
    tokens = [
        Token(Role(text(each, "role") or ""), Path(text(each, "file") or ""), text(each, "name") or "")
        for each in listed(node.get("tokens"))
    ]
    return ApiSettings(strings(node, "listen"), tuple(tokens))


def notification_of(node: Node) -> Notification:
    return Notification(
        webhook=text(node, "webhook"),
        webhook_file=optional(node, "webhook_file", Path),
        slack_file=optional(node, "slack_file", Path),
        command=strings(node, "command"),
        events=frozenset(strings(node, "events")),
        projects=frozenset(strings(node, "projects")),
        template=text(node, "template"),
    )


def text(node: Node, key: str) -> str | None:
    found = node.get(key)
    return None if found is None else written(found.value)


def written(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def flag(node: Node, key: str, default: bool) -> bool:
    found = node.get(key)
    return default if found is None else bool(found.value)


def duration(node: Node, key: str, default: float) -> float:
    found = text(node, key)
    return default if found is None else seconds(found)


def strings(node: Node, key: str) -> tuple[str, ...]:
    found = node.get(key)
    if found is None:
        return ()
    value = plain(found)
    return (value,) if isinstance(value, str) else tuple(value or ())


def listed(node: Node | None) -> list[Node]:
    return node.value if node is not None else []


def optional(node: Node, key: str, make: Callable[[str], T]) -> T | None:
    found = text(node, key)
    return None if found is None else make(found)


def optional_node(node: Node, key: str, make: Callable[[Node], T]) -> T | None:
    found = node.get(key)
    return None if found is None else make(found)
