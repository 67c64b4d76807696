"""What entries of `images:` name must be defined: the secrets of their builds, the services that they are made of; and
who pushes must say where to.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from specs.check.references import SERVICE_PREFIX
from specs.check.subject import Subject


def references(subject: Subject) -> None:
    for name, entry in (subject.values.get("typed_images") or {}).items():
        where = place_of(subject, name)
        for kind, wanted, path in named_by(entry.get("build") or {}):
            if wanted not in subject.section(kind) and not subject.losses.hide(kind, wanted):
                noun, place = kind.removesuffix("s"), (*where, "build", *path)
                subject.report.error(
                    f"unknown-{noun}",
                    f'image "{name}" uses {noun} "{wanted}", which is not defined{subject.origin(*place)}',
                    subject.at(*place),
                    hint=subject.suggestion(kind, wanted, subject.section(kind)),
                )
        if entry.get("push") and not entry.get("tags"):
            subject.report.error(
                "push-to-nowhere",
                f'image "{name}" is to be pushed, and has no tag that says where to',
                subject.at(*where, "push"),
                hint="add `tags: [REGISTRY/NAME:TAG]`",
            )
        if entry.get("verify") and not entry.get("push") and not entry.get("pull"):
            subject.report.error(
                "nothing-to-verify",
                f'image "{name}" is neither pulled nor pushed: there is no signature of it to verify',
                subject.key(*where, "verify"),
                hint="signatures lie in registries: add `push: true`, or leave out verify",
            )


def place_of(subject: Subject, name: str) -> tuple[str, ...]:
    """`images:` stands at the top level or under x-rorqual."""
    nested = ("x-rorqual", "images", name)
    return nested if subject.node(*nested) is not None else ("images", name)


def named_by(build: Mapping[str, Any]) -> Iterator[tuple[str, str, tuple[str | int, ...]]]:
    """(section, name in it, path below the build)."""
    for number, secret in enumerate(build.get("secrets") or ()):
        yield "secrets", str(secret.get("source") or ""), ("secrets", number, "source")
    for context, value in (build.get("additional_contexts") or {}).items():
        if value.startswith(SERVICE_PREFIX):
            yield "services", value.removeprefix(SERVICE_PREFIX), ("additional_contexts", context)
