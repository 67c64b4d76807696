"""The files that containers are given, with their content: what a release keeps, so that it can be returned to."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from engine.ledger.release import Content
from engine.plan.lower.containers import plain_digest, seccomp_path
from engine.plan.lower.mounts import lower_mounts
from engine.reconcile.contents import LARGEST, Sealer, open_unblocked
from specs.models import Project


class KeptFile(NamedTuple):
    """`sensitive` where any service uses it as a secret."""

    content: Content
    data: bytes
    sensitive: bool


def read_files(project: Project, sealer: Sealer) -> dict[str, KeptFile]:
    """By host path: configs, secrets, read-only bind-mounted files, seccomp profiles. Only regular files up to 1 MiB
    are configuration; what is larger is data, and what can't be read is told by the engine.
    """
    secret: set[str] = set()
    plain: set[str] = set()
    for service in (*project.services.values(), *project.disabled_services.values()):
        mounts = lower_mounts(project, service)
        for target, source in mounts.sources.items():
            (secret if target in mounts.secret_targets else plain).add(source)
        plain |= {str(Path(project.working_dir, p)) for t in service.security_opt or () if (p := profile_path(t))}
    found = {path: read_file(path, sealer if path in secret else None) for path in sorted(secret | plain)}
    return {path: kept for path, kept in found.items() if kept is not None}


def sources_of(project: Project, keys: Iterable[str]) -> Iterator[str]:
    """The host paths that these services are given, as read_files has them."""
    for key in keys:
        service = project.services[key]
        yield from lower_mounts(project, service).sources.values()
        yield from (str(Path(project.working_dir, p)) for t in service.security_opt or () if (p := profile_path(t)))


def profile_path(option: str) -> str | None:
    """The path in `seccomp:./profile.json`; None for another option, or a profile that stands there itself."""
    path = seccomp_path(option)
    return None if path is None or path.startswith("{") else path


def read_file(path: str, sealer: Sealer | None) -> KeptFile | None:
    try:
        with open(path, "rb", opener=open_unblocked) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode) or status.st_size > LARGEST:
                return None
            data = file.read(LARGEST + 1)
    except OSError:
        return None
    digest = sealer.seal_bytes(data) if sealer else plain_digest(data)
    content = Content(digest, stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid)
    return KeptFile(content, data, sealer is not None)
