"""The Dockerfiles that a project builds from, checked with the project: their faults and BuildKit's build checks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from engine.dockerfile.faults import DockerfileError, Fault
from engine.dockerfile.lint import lint
from engine.dockerfile.stages import target_of
from engine.graph.dockerfiles import Found, read_dockerfile
from specs.source import Report, Span


def check_dockerfiles(values: Mapping[str, Any], report: Report) -> None:
    """Add what is wrong with every Dockerfile that lies on this machine, each file once.

    `values` is the resolved project, plain: models take 0.2 s to make.
    """
    seen: set[tuple[str, str]] = set()
    for where, build in builds_of(values):
        found = read_dockerfile(build.get("context") or ".", build.get("dockerfile"), build.get("dockerfile_inline"))
        if found is None:
            continue
        path = f"<{where}.{found.path}>" if found.inline else found.path
        for fault in faults_of(found, build.get("target") or ""):
            key = (path, fault.told())
            if key not in seen:
                seen.add(key)
                add(report, path, fault)


def builds_of(values: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every build of the project with the path of its key: `services.web.build`, `images.base.build`."""
    for part, key in (("services", "services"), ("images", "typed_images")):
        for name, entry in (values.get(key) or {}).items():
            if isinstance(build := entry.get("build"), dict):
                yield f"{part}.{name}.build", build


def faults_of(found: Found, target: str) -> list[Fault]:
    faults = list(found.parsed.faults)
    if any(not fault.warning for fault in faults):
        return faults
    if target and "$" not in target and found.parsed.stage(target) is None:
        faults += unknown_target(found, target)
    return sorted([*faults, *lint(found.parsed)], key=lambda fault: (fault.place.line, fault.place.column))


def unknown_target(found: Found, target: str) -> list[Fault]:
    try:
        target_of(found.parsed, target)
    except DockerfileError as error:
        return list(error.faults)
    return []


def add(report: Report, path: str, fault: Fault) -> None:
    line, column = fault.place.line, fault.place.column
    span = Span(path, line, column, line, column + 1)
    tell = report.warning if fault.warning else report.error
    tell(f"dockerfile-{fault.code}", fault.message, span, hint=fault.hint or None)
