"""Names that a service uses must be defined: services, networks, volumes, secrets, configs, models."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from specs.check.subject import Service, Subject
from specs.source import Span
from specs.typed.kinds import EXTENSIONS

SERVICE_PREFIX = "service:"


def unknown(
    subject: Subject,
    service: str,
    kind: str,
    name: str,
    span: Span | None,
    *,
    verb: str,
    known: Iterable[str] | None = None,
    origin: str = "",
) -> None:
    """One undefined name: `kind` is the section that lacks it."""
    if subject.losses.hide(kind, name):
        return
    noun = kind.removesuffix("s")
    hint = subject.suggestion(kind, name, subject.section(kind) if known is None else known)
    if kind == "volumes" and "/" in name and (hint is None or not hint.startswith("did you mean")):
        hint = f"a folder's path starts with ./ or /: ./{name}"
    subject.report.error(
        f"unknown-{noun}",
        f'service "{service}" {verb} "{name}", which is not defined{origin}',
        span,
        hint=hint,
    )


def dependencies(subject: Subject, name: str, service: Service) -> None:
    for wanted, dependency in (service.get("depends_on") or {}).items():
        if wanted in subject.services:
            continue
        path = ("services", name, "depends_on", wanted)
        span = subject.key(*path)
        if wanted in subject.disabled:
            if (dependency or {}).get("required", True):
                inactive(subject, name, wanted, span)
            continue
        known = sorted({*subject.services, *subject.disabled} - {name})
        unknown(subject, name, "services", wanted, span, verb="depends on", known=known, origin=subject.origin(*path))


def inactive(subject: Subject, name: str, wanted: str, span: Span | None) -> None:
    profiles = sorted(subject.disabled[wanted])
    flags = " or ".join(f"--profile {profile}" for profile in profiles)
    subject.report.error(
        "inactive-service",
        f'service "{name}" depends on "{wanted}", which is in no active profile',
        span,
        hint=f"add {flags}, or write `required: false` for this dependency" if flags else None,
        related=subject.related("defined here", "services", wanted),
    )


def build_contexts(subject: Subject, name: str, service: Service) -> None:
    contexts = (service.get("build") or {}).get("additional_contexts") or {}
    for context, place in contexts.items():
        if not place.startswith(SERVICE_PREFIX):
            continue
        wanted = place.removeprefix(SERVICE_PREFIX)
        span = subject.at("services", name, "build", "additional_contexts", context)
        if wanted not in subject.services:
            unknown(subject, name, "services", wanted, span, verb="builds from")
        elif not subject.services[wanted].get("build") and not subject.losses.touch("services", wanted, "build"):
            subject.report.error(
                "not-built",
                f'service "{name}" builds from "{wanted}", which has no build',
                span,
                hint=f'write docker-image://IMAGE to use an image, or give "{wanted}" a build',
                related=subject.related("defined here", "services", wanted),
            )


def networks(subject: Subject, name: str, service: Service) -> None:
    for wanted in service.get("networks") or {}:
        if wanted not in subject.section("networks"):
            path = ("services", name, "networks", wanted)
            verb = "is attached to network"
            unknown(subject, name, "networks", wanted, subject.key(*path), verb=verb, origin=subject.origin(*path))


def volumes(subject: Subject, name: str, service: Service) -> None:
    for index, mount in enumerate(service.get("volumes") or ()):
        source = mount.get("source")
        if mount.get("type") == "volume" and not source:
            drive(subject, name, mount.get("target") or "", index)
        if mount.get("type") == "volume" and source and source not in subject.section("volumes"):
            path = ("services", name, "volumes", index, "source")
            origin = subject.origin(*path)
            unknown(subject, name, "volumes", source, subject.at(*path), verb="mounts volume", origin=origin)


def drive(subject: Subject, name: str, target: str, index: int) -> None:
    """`v:/data` is a path of Windows to Compose, also where there is a volume `v`."""
    letter, colon, rest = target.partition(":")
    if colon and len(letter) == 1 and letter in subject.section("volumes"):
        subject.report.warning(
            "one-letter-volume",
            f'service "{name}" does not mount volume "{letter}": Compose reads {target} as a path of Windows',
            subject.at("services", name, "volumes", index),
            hint=f"write {{type: volume, source: {letter}, target: {rest}}}, or give the volume a longer name",
            related=subject.related("defined here", "volumes", letter),
        )


def build_secrets(subject: Subject, name: str, service: Service) -> None:
    build = service.get("build") or {}
    files(subject, name, build.get("secrets"), "secrets", "services", name, "build", "secrets")


def secrets(subject: Subject, name: str, service: Service) -> None:
    files(subject, name, service.get("secrets"), "secrets", "services", name, "secrets")


def configs(subject: Subject, name: str, service: Service) -> None:
    files(subject, name, service.get("configs"), "configs", "services", name, "configs")


def files(subject: Subject, name: str, references: Any, kind: str, *path: str) -> None:
    for index, reference in enumerate(references or ()):
        wanted = reference.get("source", "")
        if wanted not in subject.section(kind):
            place: tuple[str | int, ...] = (*path, index, "source")
            verb = f"uses {kind.removesuffix('s')}"
            unknown(subject, name, kind, wanted, subject.at(*place), verb=verb, origin=subject.origin(*place))


def models(subject: Subject, name: str, service: Service) -> None:
    for wanted in service.get("models") or {}:
        if wanted != EXTENSIONS and wanted not in subject.section("models"):
            span = subject.key("services", name, "models", wanted)
            unknown(subject, name, "models", wanted, span, verb="uses model")


def secrets_have_a_source(subject: Subject) -> None:
    """Every secret, used or not, comes from somewhere: Compose takes no driver's word for it."""
    for name, secret in subject.section("secrets").items():
        keys = ("external", "file", "environment")
        if not any(secret.get(key) or subject.losses.touch("secrets", name, key) for key in keys):
            subject.report.error(
                "missing-key",
                f'secret "{name}" has neither a file nor an environment variable to come from',
                subject.key("secrets", name),
                hint="add `file: PATH` or `environment: VARIABLE`, or `external: true` when it exists already",
            )
