"""Digests of contents and of sensitive values: a changed file is a planned change, and no secret is written down."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from engine.api.errors import InvalidArgument
from engine.plan.lower.containers import plain_digest, seccomp_path
from engine.plan.lower.mounts import lower_mounts
from specs.models import Project

# Only small files are configuration; what is larger is data, and no reason to replace a container.
LARGEST = 1 << 20


def state_directory(environment: Mapping[str, str]) -> Path:
    """Where what must outlive a run lies: /var/lib/rorqual for root, $XDG_STATE_HOME/rorqual for others (CLI.md);
    RORQUAL_STATE names another folder.
    """
    if named := environment.get("RORQUAL_STATE"):
        return Path(named)
    if os.geteuid() == 0:
        return Path("/var/lib/rorqual")
    home = environment.get("XDG_STATE_HOME") or os.path.join(environment.get("HOME") or "/", ".local/state")
    return Path(home, "rorqual")


@dataclass(frozen=True, slots=True)
class Sealer:
    """HMAC-SHA256 under this machine's key; the digest names its key, so that another machine's isn't compared."""

    key: bytes = field(repr=False)

    def seal(self, value: str) -> str:
        return self.seal_bytes(value.encode(errors="surrogateescape"))

    @property
    def name(self) -> str:
        return hashlib.sha256(self.key).hexdigest()[:8]

    def seal_bytes(self, value: bytes) -> str:
        return f"hmac:{self.name}:{hmac.new(self.key, value, hashlib.sha256).hexdigest()}"


def read_sealer(directory: Path) -> Sealer:
    """The machine's sealing key, made on first use (0600). Two first uses at once agree on one key."""
    path = directory / "seal.key"
    try:
        return Sealer(path.read_bytes())
    except FileNotFoundError:
        pass
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = directory / f".seal.key.{os.getpid()}.{secrets.token_hex(4)}"
    try:
        write_key(temporary)
        # a link fails where another run was first, and then that one's key counts
        os.link(temporary, path)
    except FileExistsError:
        pass
    finally:
        temporary.unlink(missing_ok=True)
    return Sealer(path.read_bytes())


def passing_sealer() -> Sealer:
    """Under a key that nobody keeps."""
    return Sealer(secrets.token_bytes(32))


def write_key(path: Path) -> None:
    """Raises OSError with the file's name, which a full disk doesn't say by itself."""
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(secrets.token_bytes(32))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        error.filename = error.filename or str(path)
        raise


def read_contents(project: Project, sealer: Sealer) -> dict[str, str | None]:
    """Host path → digest, for configs, secrets and read-only bind-mounted files; None for what has no identity.

    A path that any service uses as a secret is sealed. Unreadable and missing files have none: the engine says so.
    """
    plain: set[str] = set()
    secret: set[str] = set()
    for service in project.services.values():
        mounts = lower_mounts(project, service)
        for target, source in mounts.sources.items():
            (secret if target in mounts.secret_targets else plain).add(source)
    return {
        **{path: digest_of(path, None) for path in sorted(plain - secret)},
        **{path: digest_of(path, sealer) for path in sorted(secret)},
    }


def read_profiles(project: Project) -> dict[str, str]:
    """Seccomp profiles by path as the spec writes it, as JSON on one line. Raises InvalidArgument for a bad one."""
    found = {}
    for key, service in project.services.items():
        for text in service.security_opt or ():
            path = seccomp_path(text)
            if path is None or path.startswith("{"):
                continue
            try:
                content = Path(project.working_dir, path).read_bytes()
                found[path] = json.dumps(json.loads(content), separators=(",", ":"))
            except OSError as error:
                raise InvalidArgument(f"services.{key}.security_opt: {path}: {error.strerror}") from error
            except ValueError as error:
                raise InvalidArgument(f"services.{key}.security_opt: {path} is no JSON: {error}") from error
    return found


def digest_of(path: str, sealer: Sealer | None) -> str | None:
    try:
        with open(path, "rb", opener=open_unblocked) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode) or status.st_size > LARGEST:
                return None
            content = file.read(LARGEST + 1)
    except OSError:
        return None
    return sealer.seal_bytes(content) if sealer else plain_digest(content)


def open_unblocked(path: str, flags: int) -> int:
    """Opening a FIFO for reading would wait for a writer."""
    return os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC)
