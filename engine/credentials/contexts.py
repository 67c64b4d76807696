"""Docker's context store: which engines this user has names for. Docker's own layout, so that both tools see the same.

`contexts/meta/<sha256 of the name>/meta.json` and `contexts/tls/<the same>/docker/{ca,cert,key}.pem`.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.credentials.config import CredentialsFault, config_folder
from engine.kit.files import atomic_write

NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.+-]+")
TLS_FILES = ("ca.pem", "cert.pem", "key.pem")


@dataclass(frozen=True, slots=True)
class Context:
    """`tls` is the folder of its PEM files, None when it has none."""

    name: str
    host: str
    description: str = ""
    skip_tls_verify: bool = False
    tls: Path | None = None


class ContextStore:
    """Reads and writes contexts; "default" is not kept here, it means the environment."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.folder = config_folder(environment) / "contexts"

    def list(self) -> list[Context]:
        """All contexts by name; a broken entry raises CredentialsFault naming its file."""
        metas = (self.folder / "meta").glob("*/meta.json")
        return sorted((self._read(path) for path in metas), key=lambda context: context.name)

    def find(self, name: str) -> Context | None:
        path = self.meta_folder(name) / "meta.json"
        return self._read(path) if path.is_file() else None

    def _read(self, path: Path) -> Context:
        try:
            content = json.loads(path.read_bytes())
            name = content["Name"]
            docker = (content.get("Endpoints") or {}).get("docker") or {}
            metadata = content.get("Metadata") or {}
        except OSError as error:
            raise CredentialsFault(f"{path}: {error.strerror}") from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise CredentialsFault(f"{path}: this is not a context's file") from error
        tls = self.tls_folder(name) / "docker"
        return Context(
            name=name,
            host=docker.get("Host") or "",
            description=metadata.get("Description") or "",
            skip_tls_verify=bool(docker.get("SkipTLSVerify")),
            tls=tls if tls.is_dir() else None,
        )

    def meta_folder(self, name: str) -> Path:
        return self.folder / "meta" / hashlib.sha256(name.encode()).hexdigest()

    def tls_folder(self, name: str) -> Path:
        return self.folder / "tls" / hashlib.sha256(name.encode()).hexdigest()

    def create(self, context: Context, *, pem: Mapping[str, bytes]) -> None:
        """Write a new context; `pem` is file name (ca.pem, cert.pem, key.pem) → content.

        The PEM files go first: a context that can be found is whole.
        """
        if pem:
            folder = self.tls_folder(context.name) / "docker"
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            for name in TLS_FILES:
                if name in pem:
                    atomic_write(folder / name, pem[name], mode=0o600)
        folder = self.meta_folder(context.name)
        folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        atomic_write(folder / "meta.json", json.dumps(meta_of(context)).encode())

    def remove(self, name: str) -> None:
        for folder in (self.meta_folder(name), self.tls_folder(name)):
            shutil.rmtree(folder, ignore_errors=True)


def meta_of(context: Context) -> dict[str, Any]:
    """The content of meta.json, as `docker context create` writes it."""
    metadata = {"Description": context.description} if context.description else {}
    endpoint = {"Host": context.host, "SkipTLSVerify": context.skip_tls_verify}
    return {"Name": context.name, "Metadata": metadata, "Endpoints": {"docker": endpoint}}


def valid_name(name: str) -> bool:
    """Docker's rule for a new context's name."""
    return name != "default" and NAME.fullmatch(name) is not None


def pem_files(folder: Path) -> Iterator[tuple[str, bytes]]:
    """The PEM files that lie in a folder, as `create` takes them."""
    for name in TLS_FILES:
        if (folder / name).is_file():
            yield name, (folder / name).read_bytes()
