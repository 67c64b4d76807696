"""A table of Dockerfiles with their contexts, and what an image is as values: one builder compared with another."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.busybox import REFERENCE

# What engines put into a container's root, and what they leave there.
THEIRS = ("dev", "proc", "sys", "run", ".dockerenv", "etc/hosts", "etc/hostname", "etc/resolv.conf", "etc/mtab")
CONFIG = "Env Cmd Entrypoint WorkingDir User Volumes ExposedPorts Labels OnBuild StopSignal Healthcheck Shell"
FROM = f"FROM {REFERENCE}\n"


def packed(**files: str) -> bytes:
    """A gzipped tar of these files (`a__b` is a/b, `a__` a folder), owned by 7:8."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name.replace("__", "/"))
            entry.size, entry.mode, entry.uid, entry.gid, entry.mtime = len(content), 0o640, 7, 8, 1_000_000_000
            if name.endswith("__"):
                entry.type, entry.mode = tarfile.DIRTYPE, 0o751
            archive.addfile(entry, io.BytesIO(content.encode()))
    return buffer.getvalue()


@dataclass(frozen=True, slots=True)
class Case:
    """`files`: path → content; `*` at a path's end makes it executable, `->` in it a link to what follows."""

    text: str
    files: Mapping[str, bytes | str] = field(default_factory=dict)
    flags: tuple[str, ...] = ()
    # paths and keys in which buildah 1.28 alone differs from dockerd, BuildKit and us
    buildah_differs: tuple[str, ...] = ()

    def write(self, folder: Path) -> Path:
        folder.mkdir(parents=True)
        (folder / "Dockerfile").write_text(self.text)
        for name, content in self.files.items():
            path, arrow, target = name.partition("->")
            place = folder / path.rstrip("*")
            place.parent.mkdir(parents=True, exist_ok=True)
            if arrow:
                place.symlink_to(target)
                continue
            place.write_bytes(content if isinstance(content, bytes) else content.encode())
            place.chmod(0o755 if path.endswith("*") else 0o644)
            os.utime(place, (1_100_000_000, 1_100_000_000))
        return folder


CASES = {
    "copy one file": Case(FROM + "COPY a /x\nCOPY a /d/\nCOPY a d/e\nCOPY ./a .\n", {"a": "1"}),
    "copy a folder's content": Case(
        FROM + "COPY d /x\nCOPY d/ /y/\nCOPY d /tmp\n", {"d/a": "1", "d/e/b*": "2", "d/l->a": ""}
    ),
    "copy everything": Case(FROM + "WORKDIR /w\nCOPY . .\nCOPY . /all/\n", {"a": "1", "d/b": "2", ".hidden": "3"}),
    "copy by patterns": Case(
        FROM + "COPY *.c d?/x /p/\nCOPY [ab].c /q/\nCOPY */x a.c *.none /r/\n",
        {"a.c": "1", "b.c": "2", "d1/x": "3", "c.h": ""},
    ),
    "copy several": Case(FROM + 'COPY a b /d/\nCOPY ["a b", "/e/"]\n', {"a": "1", "b": "2", "a b": "3"}),
    "copy through links": Case(
        FROM + "RUN ln -s /var/lib /lnk && mkdir /real && ln -s real /rel\nCOPY a /lnk/x\nCOPY d /rel\nCOPY d /lnk/\n",
        {"a": "1", "d/a": "2"},
    ),
    "copy a link": Case(FROM + "COPY l /x\nCOPY m /y\n", {"a": "1", "l->a": "", "d/b": "2", "m->d": ""}),
    "copy over what is there": Case(
        FROM
        + "RUN mkdir -p /x/e && chmod 700 /x /x/e && echo old > /x/a\nCOPY d /x\n"
        + "RUN ln -s a /x/m && ln -s x/e/b /n\nCOPY d/* /x/\nCOPY l /x/m\nCOPY l /n\n",
        {"d/a": "new", "d/e/b": "2", "d/l->a": "", "l": "l"},
        buildah_differs=("n", "x/a", "x/e/b", "x/m"),
    ),
    "copy with owner": Case(
        FROM + "COPY --chown=www-data a /1\nCOPY --chown=33:nogroup d /deep/er/\nCOPY --chown=5 a /2\n",
        {"a": "1", "d/b": "2"},
        buildah_differs=("deep",),
    ),
    "copy from a stage": Case(
        f"FROM {REFERENCE} AS one\nRUN mkdir /o && echo 1 > /o/a && ln -s a /o/l && chmod 751 /o && chmod u+s /o/a\n"
        "RUN echo 2 > /o/b && chown 33:34 /o/b && mkdir /o/d && chown 5:6 /o/d\n"
        + FROM
        + "COPY --from=one /o /o\nCOPY --from=0 /o/a /deep/\nCOPY --from=one /o/l /l\n"
    ),
    "copy from an image": Case(f'FROM scratch\nCOPY --from={REFERENCE} /etc/passwd /etc/\nCMD ["x"]\n'),
    "add an archive": Case(
        FROM + "ADD a.tgz /x\nADD a.tgz b /y/\nCOPY a.tgz /z\n", {"a.tgz": packed(f="1", d__g="2"), "b": "3"}
    ),
    "add an archive over links": Case(
        FROM + "RUN mkdir /real /d && ln -s real /lnk && ln -s real /gone && touch /d/x\nADD a.tgz /\n",
        {"a.tgz": packed(lnk__f="1", gone__="", gone__f="2", d="a file now")},
    ),
    "run changes files": Case(
        FROM
        + "RUN mkdir -p /a/b && echo 1 > /a/b/c && chown -R 33:33 /a && chmod 2750 /a/b\n"
        + "RUN rm /a/b/c && ln /etc/passwd /a/hard && mkfifo /a/pipe\nRUN rm -rf /usr/share && mkdir /usr/share\n"
    ),
    "users and folders": Case(
        FROM + "WORKDIR /w/x\nUSER www-data\nRUN id -u > /tmp/u; pwd > /tmp/p\nWORKDIR y\nWORKDIR /tmp\nRUN id > who\n",
        buildah_differs=("w/x/y",),
    ),
    "environment": Case(
        FROM
        + 'ENV A=1 B="two words" C=$A\nENV D ${A:-x} ${Z:-y} \\$A\nENV A=2\nARG E=arg\nARG F\n'
        + 'RUN echo "$A $B $C $D $E $F" > /out\nENV G=$E\nWORKDIR /$A\nLABEL l=${A}x "m n"="o p"\n',
        flags=("--build-arg=F=given",),
    ),
    "arguments before from": Case(
        f"ARG IMG={REFERENCE}\nARG X=1\nFROM $IMG\nARG X\nARG Y=$X.2\nRUN echo $X $Y > /o\n"
        + "ARG A=1 B=$A C\nRUN echo $A:$B:$C > /p\n"
    ),
    "configuration": Case(
        FROM
        + 'EXPOSE 80 90/udp 100-102\nVOLUME /v /w\nSTOPSIGNAL SIGINT\nUSER 5:6\nENTRYPOINT ["e", "$X"]\nCMD c d\n'
        + "HEALTHCHECK --interval=5s --retries=2 CMD true || false\nONBUILD RUN echo\nMAINTAINER me\n",
        buildah_differs=("ExposedPorts",),
    ),
    "entrypoint clears the base's cmd": Case(FROM + "ENTRYPOINT x\n"),
    "cmd before entrypoint stays": Case(FROM + 'CMD ["a"]\nENTRYPOINT ["b"]\nHEALTHCHECK NONE\n'),
    "another shell": Case(FROM + 'SHELL ["/bin/sh", "-ec"]\nRUN echo $0 > /o\nCMD x y\n', buildah_differs=("Cmd",)),
    "a base with triggers": Case(
        f"FROM {REFERENCE} AS base\nONBUILD COPY a /a\nONBUILD RUN cp /a /b\nFROM base\nRUN cp /b /c\n", {"a": "1"}
    ),
    "continued lines": Case(FROM + "RUN echo a \\\n  # no\n  b \\\n\n  > /o\n"),
    "a target in the middle": Case(
        FROM.replace("\n", " AS x\n") + "RUN echo 1 > /x\n" + FROM + "RUN exit 1\n", flags=("--target=x",)
    ),
    "labels of the command line": Case(FROM + "LABEL a=1 b=2\n", flags=("--label=b=3", "--label=c=4")),
    "ignored files": Case(
        FROM + "COPY . /x/\n",
        {".dockerignore": "*.o\n!k.o\nd/**\nDockerfile\n.dockerignore\n", "a.o": "", "k.o": "", "d/a": ""},
    ),
    "scratch": Case('FROM scratch\nCOPY a /\nENV X=1\nCMD ["/a"]\n', {"a*": "1"}),
}


@dataclass(frozen=True, slots=True)
class Image:
    """`tree`: path → kind, mode, owner, link, content; `config`: what a Dockerfile says."""

    tree: Mapping[str, tuple[Any, ...]]
    config: Mapping[str, Any]


def tree_of(archive: bytes) -> dict[str, tuple[Any, ...]]:
    found: dict[str, tuple[Any, ...]] = {}
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        members = list(tar)
        for member in members:
            path = member.name.strip("/").removeprefix("./")
            if not path or path == "." or path in THEIRS or path.split("/")[0] in THEIRS:
                continue
            content = ""
            if member.isfile() or member.islnk():
                file = tar.extractfile(member)
                content = hashlib.sha256(file.read() if file else b"").hexdigest()
            kind = b"0" if member.islnk() else member.type
            link = member.linkname if member.issym() else ""
            if path == "etc" and not any(other.name.lstrip("./").startswith("etc/passwd") for other in members):
                continue  # made for the engine's own files
            found[path] = (kind, f"{member.mode & 0o7777:o}", f"{member.uid}:{member.gid}", link, content)
    return found


def config_of(document: Mapping[str, Any]) -> dict[str, Any]:
    """Unset, null and empty are the same; ports and volumes by their names, variables in order of names."""
    found = {key: document.get(key) or None for key in CONFIG.split()}
    found["Env"] = sorted(found["Env"] or ())
    # buildah signs what it makes
    labels = {name: value for name, value in (found["Labels"] or {}).items() if name != "io.buildah.version"}
    found["Labels"] = labels or None
    return found


def docker(
    socket: Path, *words: str, check: bool = True, cwd: Path | None = None
) -> subprocess.CompletedProcess[bytes]:
    environment = {
        **os.environ,
        "DOCKER_HOST": f"unix://{socket}",
        "DOCKER_BUILDKIT": "0",
        "DOCKER_CONFIG": "/nonexistent",
    }
    return subprocess.run(["docker", *words], env=environment, capture_output=True, check=check, timeout=120, cwd=cwd)


def built_by_docker(socket: Path, folder: Path, case: Case, tag: str) -> Image:
    """By `docker build` against an engine, the classic way."""
    done = docker(socket, "build", "-t", tag, *case.flags, str(folder), check=False)
    assert done.returncode == 0, (done.stdout + done.stderr).decode()
    return shown(socket, tag)


def shown(socket: Path, tag: str) -> Image:
    """What the engine has under the tag."""
    (document,) = json.loads(docker(socket, "image", "inspect", tag).stdout)
    container = docker(socket, "create", tag, "x").stdout.decode().strip()
    try:
        tree = tree_of(docker(socket, "export", container).stdout)
    finally:
        docker(socket, "rm", "-v", container)
    return Image(tree, config_of(document["Config"]))


def built_by_buildah(store: Path, socket: Path, folder: Path, case: Case, tag: str) -> Image:
    """By buildah in a store of its own, then loaded into the engine at `socket` to be looked at."""
    buildah(
        store, "build", "--isolation=chroot", "--format=docker", "--layers=false", *case.flags, "-t", tag, str(folder)
    )
    archive = store / "image.tar"
    archive.unlink(missing_ok=True)
    buildah(store, "push", tag, f"docker-archive:{archive}:{tag}:latest")
    docker(socket, "load", "-i", str(archive))
    return shown(socket, tag)


def buildah(store: Path, *words: str) -> None:
    places = (f"--root={store / 'root'}", f"--runroot={store / 'run'}", "--storage-driver=overlay")
    done = subprocess.run(["buildah", *places, *words], capture_output=True, check=False, timeout=120)
    assert done.returncode == 0, (done.stdout + done.stderr).decode()
