"""The small image that tests run: Debian's busybox by mmdebstrap, made once per machine, as a `docker save` archive.

The root file system is made for tests only: busybox's links, /etc/passwd and /etc/group, nothing of the host's.
"""

from __future__ import annotations

import fcntl
import hashlib
import io
import json
import os
import subprocess
import tarfile
import tempfile
from pathlib import Path

REFERENCE = "rorqual/test-busybox:1"
# Part of the cached file's name: raise it when this recipe changes.
RECIPE = 1
SKIPPED = ("./dev/", "./etc/resolv.conf", "./etc/hostname", "./etc/apt", "./usr/share/doc", "./usr/share/man")
PASSWD = "root:x:0:0:root:/root:/bin/sh\nwww-data:x:33:33:www-data:/var/www:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n"
GROUP = "root:x:0:\nwww-data:x:33:\nnogroup:x:65534:\n"


def busybox_archive() -> Path:
    """The archive, ready for `docker load`; made when this machine has none yet. Needs mmdebstrap and root."""
    cache = Path(os.environ.get("RORQUAL_TEST_CACHE", "/var/cache/rorqual-tests"))
    cache.mkdir(parents=True, exist_ok=True)
    archive = cache / f"busybox-{RECIPE}.tar"
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not archive.exists():
            with tempfile.TemporaryDirectory(dir=cache) as work:
                made = make_archive(Path(work))
                made.rename(archive)
    return archive


def make_archive(work: Path) -> Path:
    subprocess.run(
        ["mmdebstrap", "--variant=extract", "--include=busybox", "bookworm", str(work / "debian.tar")],
        check=True,
        capture_output=True,
        timeout=180,
    )
    layer = make_layer(work / "debian.tar", work)
    return save_archive(layer, work / "busybox.tar")


def make_layer(debian: Path, work: Path) -> bytes:
    """The root file system: what mmdebstrap unpacked without the host's files, plus links and accounts."""
    root = work / "root"
    with tarfile.open(debian) as source:
        source.extractall(root, filter="tar")
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as layer:
            for member in source:
                # dockerd refuses a layer with one path twice: what is added below is left out here.
                made_here = member.name.rstrip("/") in {"./root", "./tmp", "./etc/passwd", "./etc/group"}
                if not made_here and not member.name.startswith(SKIPPED) and not member.isdev():
                    layer.addfile(member, source.extractfile(member) if member.isreg() else None)
            applets = subprocess.run(
                ["chroot", str(root), "/bin/busybox", "--list"], check=True, capture_output=True, text=True
            ).stdout.split()
            for applet in applets:
                if applet != "busybox":
                    add_link(layer, f"./bin/{applet}", "busybox")
            for name, text in (("./etc/passwd", PASSWD), ("./etc/group", GROUP)):
                add_file(layer, name, text.encode())
            for name, mode in (("./root", 0o700), ("./tmp", 0o1777)):
                folder = tarfile.TarInfo(name)
                folder.type, folder.mode = tarfile.DIRTYPE, mode
                layer.addfile(folder)
    return buffer.getvalue()


def save_archive(layer: bytes, target: Path) -> Path:
    config = {
        "architecture": machine(),
        "os": "linux",
        "created": "2024-01-01T00:00:00Z",
        "config": {
            "Cmd": ["sh"],
            "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
            "Labels": {"io.rorqual.test": "busybox"},
        },
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
        "history": [{"created": "2024-01-01T00:00:00Z", "created_by": "mmdebstrap"}],
    }
    text = json.dumps(config).encode()
    name = f"{hashlib.sha256(text).hexdigest()}.json"
    manifest = [{"Config": name, "RepoTags": [REFERENCE], "Layers": ["layer.tar"]}]
    with tarfile.open(target, "w") as archive:
        add_file(archive, name, text)
        add_file(archive, "layer.tar", layer)
        add_file(archive, "manifest.json", json.dumps(manifest).encode())
    return target


def machine() -> str:
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)


def add_file(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), 0o644
    archive.addfile(entry, io.BytesIO(content))


def add_link(archive: tarfile.TarFile, name: str, target: str) -> None:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname, entry.mode = tarfile.SYMTYPE, target, 0o777
    archive.addfile(entry)


if __name__ == "__main__":
    print(busybox_archive())
