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
from engine.plan.lower.containers import seccomp_path
from engine.plan.lower.mounts import given_files
from specs.models import Project

# Of what is only mounted, small files are configuration; what is larger is data, and no reason to replace a container.
LARGEST_BOUND = 1 << 20
PIECE_BYTES = 1 << 20


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
        return self.named(hmac.new(self.key, value, hashlib.sha256).hexdigest())

    def named(self, hexadecimal: str) -> str:
        """A digest as it is written, from its digits."""
        return f"hmac:{self.name}:{hexadecimal}"


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


def read_contents(project: Project, sealer: Sealer | None) -> dict[str, str | None]:
    """Host path → digest, for configs, secrets and read-only bind-mounted files; None for what has no identity.

    A path that any service uses as a secret is sealed, where there is a sealer. Unreadable and missing files have none:
    the engine says so.
    """
    return {
        path: digest_of(path, sealer if given.secret else None, LARGEST_BOUND if given.bound else None)
        for path, given in given_files(project, project.services.values()).items()
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


def digest_of(path: str, sealer: Sealer | None, largest: int | None = None) -> str | None:
    """None for what is no regular file, can't be read, or has more than `largest` bytes."""
    begun = hmac.new(sealer.key, digestmod="sha256") if sealer else hashlib.sha256()
    try:
        with open(path, "rb", opener=open_unblocked) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode) or (largest is not None and status.st_size > largest):
                return None
            while piece := file.read(PIECE_BYTES):
                begun.update(piece)
    except OSError:
        return None
    return sealer.named(begun.hexdigest()) if sealer else f"sha256:{begun.hexdigest()}"


def open_unblocked(path: str, flags: int) -> int:
    """Opening a FIFO for reading would wait for a writer."""
    return os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC)
