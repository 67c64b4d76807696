"""The files that containers are given, with their content: what a release keeps, so that it can be returned to."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from engine.ledger.release import Content
from engine.plan.lower.containers import plain_digest, seccomp_path
from engine.plan.lower.mounts import GivenFile, given_files
from engine.reconcile.contents import LARGEST_BOUND, Sealer, open_unblocked
from specs.models import Project, Service

# A row of the ledger holds it, and memory while it is written.
LARGEST_KEPT = 64 << 20


class KeptFile(NamedTuple):
    """`sensitive` where any service uses it as a secret."""

    content: Content
    data: bytes
    sensitive: bool


def read_files(project: Project, sealer: Sealer) -> dict[str, KeptFile]:
    """By host path: configs, secrets, read-only bind-mounted files, seccomp profiles. Of what is only mounted regular
    files up to 1 MiB are configuration, and what is larger is data; what can't be read is told by the engine.
    """
    services = (*project.services.values(), *project.disabled_services.values())
    given = given_files(project, services)
    for path in (p for service in services for p in profiles_of(project, service)):
        given.setdefault(path, GivenFile())
    found = {
        path: read_file(path, sealer if each.secret else None, largest_of(each)) for path, each in sorted(given.items())
    }
    return {path: kept for path, kept in found.items() if kept is not None}


def largest_of(given: GivenFile) -> int:
    """Of how many bytes at most a release keeps the content."""
    return LARGEST_BOUND if given.bound else LARGEST_KEPT


def sources_of(project: Project, keys: Iterable[str]) -> Iterator[str]:
    """The host paths that these services are given, as read_files has them."""
    for key in keys:
        service = project.services[key]
        yield from given_files(project, [service])
        yield from profiles_of(project, service)


def profiles_of(project: Project, service: Service) -> Iterator[str]:
    return (str(Path(project.working_dir, p)) for t in service.security_opt or () if (p := profile_path(t)))


def profile_path(option: str) -> str | None:
    """The path in `seccomp:./profile.json`; None for another option, or a profile that stands there itself."""
    path = seccomp_path(option)
    return None if path is None or path.startswith("{") else path


def read_file(path: str, sealer: Sealer | None, largest: int) -> KeptFile | None:
    try:
        with open(path, "rb", opener=open_unblocked) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode) or status.st_size > largest:
                return None
            data = file.read(largest + 1)
    except OSError:
        return None
    digest = sealer.seal_bytes(data) if sealer else plain_digest(data)
    content = Content(digest, stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid)
    return KeptFile(content, data, sealer is not None)
