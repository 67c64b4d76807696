"""Keys of one service that must agree with each other. Source: Compose's own consistency check."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any

from specs.check.subject import Service, Subject
from specs.source import Related, Span

RESTARTS = ("no", "always", "unless-stopped", "on-failure")
KINDS_OF_TEST = ("CMD", "CMD-SHELL", "NONE")
WITHOUT_TARGET = ("rebuild", "restart")
# The short key, the key under `deploy` that says the same.
LIMITS = (
    ("cpus", "limits", "cpus"),
    ("mem_limit", "limits", "memory"),
    ("mem_reservation", "reservations", "memory"),
    ("pids_limit", "limits", "pids"),
)


def exclusive(subject: Subject, service: str, first: str, second: str, span: Span | None, *rival: str | int) -> None:
    """Two keys that may not both be given."""
    subject.report.error(
        "exclusive-keys",
        f'service "{service}" has both {first} and {second}; only one may be given',
        span,
        related=subject.related(f"{second} is given here", *rival),
    )


def differing(subject: Subject, service: str, short: str, long: str, path: tuple[str, ...]) -> None:
    subject.report.error(
        "conflicting-values",
        f'service "{service}" has one value for {short} and another for {long}',
        subject.at("services", service, short),
        hint=f"give only one of them, or the same value to both: {long} is the newer",
        related=subject.related(f"{long} is given here", "services", service, *path),
    )


def has_an_image(subject: Subject, name: str, service: Service) -> None:
    if any(service.get(key) for key in ("image", "build")) or service.get("provider") is not None:
        return
    if not any(subject.losses.touch("services", name, key) for key in ("image", "build", "provider")):
        subject.report.error(
            "missing-image",
            f'service "{name}" has neither an image nor a build{subject.origin("services", name, "image")}',
            subject.key("services", name),
            hint="add `image: NAME:TAG`, or `build: .` for a folder with a Dockerfile",
        )


def restart_is_a_policy(subject: Subject, name: str, service: Service) -> None:
    """Compose reads any word; the engine would refuse it."""
    policy, _, times = (service.get("restart") or "no").partition(":")
    if policy in RESTARTS and (not times or (policy == "on-failure" and times.isdecimal())):
        return
    close = get_close_matches(policy, RESTARTS, 1)
    subject.report.warning(
        "bad-restart",
        f'service "{name}" has the restart policy {service["restart"]!r}; there are {", ".join(RESTARTS)}[:TIMES]',
        subject.at("services", name, "restart"),
        hint=f'did you mean "{close[0]}"?' if close else None,
    )


def one_dockerfile(subject: Subject, name: str, service: Service) -> None:
    build = service.get("build") or {}
    if build.get("dockerfile") and build.get("dockerfile_inline"):
        path = ("services", name, "build")
        span = subject.key(*path, "dockerfile")
        exclusive(subject, name, "build.dockerfile", "build.dockerfile_inline", span, *path, "dockerfile_inline")


def platform_is_built(subject: Subject, name: str, service: Service) -> None:
    platforms = (service.get("build") or {}).get("platforms") or []
    platform = service.get("platform")
    if platform and platforms and platform not in platforms:
        subject.report.error(
            "platform-not-built",
            f'service "{name}" runs on {platform}, which build.platforms does not name',
            subject.at("services", name, "platform"),
            hint=f"add {platform} to build.platforms",
            related=subject.related("built for these", "services", name, "build", "platforms"),
        )


def network_mode_or_networks(subject: Subject, name: str, service: Service) -> None:
    if service.get("network_mode") and service.get("networks"):
        span = subject.key("services", name, "network_mode")
        exclusive(subject, name, "network_mode", "networks", span, "services", name, "networks")


def health_test_has_a_kind(subject: Subject, name: str, service: Service) -> None:
    test = (service.get("healthcheck") or {}).get("test") or []
    if test and test[0] not in KINDS_OF_TEST:
        subject.report.error(
            "bad-healthcheck",
            f'the test of service "{name}" starts with {test[0]!r}, not with CMD, CMD-SHELL or NONE',
            subject.at("services", name, "healthcheck", "test", 0),
            hint="write [CMD, PROGRAM, ARGUMENT…], or the whole command as one string for a shell",
        )


def limits_agree(subject: Subject, name: str, service: Service) -> None:
    deploy = service.get("deploy")
    if deploy is None:
        return
    scale = service.get("scale")
    if scale is not None and deploy.get("replicas") is not None and scale != deploy["replicas"]:
        differing(subject, name, "scale", "deploy.replicas", ("deploy", "replicas"))
    resources = deploy.get("resources") or {}
    for short, group, long in LIMITS:
        limits: dict[str, Any] | None = resources.get(group)
        if service.get(short) and limits is not None and (limits.get(long) or 0) != service[short]:
            path = ("deploy", "resources", group, long)
            differing(subject, name, short, ".".join(path), path)


def replica_count(service: Service) -> int:
    """How many containers a service wants: `scale`, `deploy.replicas`, else one."""
    wanted = service.get("scale")
    if wanted is None:
        wanted = (service.get("deploy") or {}).get("replicas")
    return 1 if wanted is None else int(wanted)


def counts_are_not_negative(subject: Subject, name: str, service: Service) -> None:
    for path in (("scale",), ("deploy", "replicas")):
        value = service.get("scale") if path == ("scale",) else (service.get("deploy") or {}).get("replicas")
        if value is not None and value < 0:
            span = subject.at("services", name, *path)
            # a number of more than 64 bits has come out as this (typed.kinds)
            count = f"can't have {value} containers" if value > -(1 << 62) else "asks for too many containers"
            subject.report.error("out-of-range", f'service "{name}" {count}', span)


def container_names_are_unique(subject: Subject) -> None:
    owners: dict[str, str] = {}
    for name, service in subject.services.items():
        given = service.get("container_name")
        if not given:
            continue
        if given in owners:
            subject.report.error(
                "same-container-name",
                f'service "{name}" and service "{owners[given]}" both want the container name {given}',
                subject.at("services", name, "container_name"),
                hint="container names are unique on a machine: rename one, or remove container_name",
                related=subject.related("taken here", "services", owners[given], "container_name"),
            )
        owners.setdefault(given, name)


def one_container_one_name(subject: Subject, name: str, service: Service) -> None:
    if service.get("container_name") and replica_count(service) > 1:
        path = ("scale",) if service.get("scale") is not None else ("deploy", "replicas")
        subject.report.error(
            "one-name-many-containers",
            f'service "{name}" wants {replica_count(service)} containers but gives them one container_name',
            subject.at("services", name, "container_name"),
            hint="remove container_name: each container is named after the project and the service",
            related=subject.related(f"{'.'.join(path)} is given here", "services", name, *path),
        )


def watch_has_a_target(subject: Subject, name: str, service: Service) -> None:
    for index, rule in enumerate((service.get("develop") or {}).get("watch") or ()):
        action = rule.get("action", "")
        lost = subject.losses.touch("services", name, "develop", "watch")
        if not rule.get("target") and action not in WITHOUT_TARGET and not lost:
            subject.report.error(
                "missing-key",
                f'a watch rule of service "{name}" with action {action} needs a target: the path in the container',
                subject.at("services", name, "develop", "watch", index),
            )


def targets_are_mounted_once(subject: Subject, name: str, service: Service) -> None:
    mounts = [("tmpfs", i, text.partition(":")[0]) for i, text in enumerate(service.get("tmpfs") or ())]
    mounts += [("volumes", i, mount.get("target", "")) for i, mount in enumerate(service.get("volumes") or ())]
    taken: dict[str, Span | None] = {}
    for kind, index, target in mounts:
        span = subject.at("services", name, kind, index)
        if target in taken:
            first = taken[target]
            related = [Related("mounted here first", first)] if first else []
            message = f'service "{name}" mounts two things at {target}'
            subject.report.error("mounted-twice", message, span, related=related)
        taken[target] = span
