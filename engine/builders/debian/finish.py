"""The finish step: what the unpacked packages lack to be an image, and what of the host must not stay.

Pure: names and a few contents in, entries out. mmdebstrap's extract variant runs no maintainer scripts, so accounts,
/bin/sh, busybox's links and the CA bundle are made here.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum

from engine.builders.debian.accounts import KNOWN, Accounts, accounts_for


class Kind(StrEnum):
    FILE = "file"
    FOLDER = "folder"
    LINK = "link"


@dataclass(frozen=True, slots=True)
class Entry:
    """One path of a layer, without the leading slash."""

    path: str
    kind: Kind
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    content: bytes = b""
    target: str = ""


@dataclass(frozen=True, slots=True)
class Folder:
    mode: int
    uid: int
    gid: int


@dataclass(slots=True)
class Tree:
    """What a root file system holds: paths, folders with their owners, links with their targets, contents asked for."""

    paths: set[str] = field(default_factory=set)
    folders: dict[str, Folder] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    contents: dict[str, bytes] = field(default_factory=dict)

    def real(self, path: str) -> str:
        """`path` with every link among its parents followed; the last part is left as it is."""
        done: list[str] = []
        left = [part for part in path.split("/") if part]
        for _ in range(255):
            if len(left) <= 1:
                break
            here = posixpath.join(*done, left.pop(0))
            if here not in self.links:
                done = here.split("/")
                continue
            target = posixpath.normpath(posixpath.join("/", posixpath.dirname(here), self.links[here]))
            done, left = [], [part for part in target.split("/") if part] + left
        return posixpath.join(*done, *left) if done or left else ""

    def has(self, path: str) -> bool:
        return self.real(path) in self.paths


# Never kept: the host's, the package manager's, and what Debian's own slim images leave out.
DROPPED = re.compile(
    r"dev(/.*)?|proc/.+|sys/.+|etc/(resolv\.conf|hostname|fstab|machine-id|mtab)"
    r"|etc/apt/(sources\.list|sources\.list\.d/.+|apt\.conf\.d/99mmdebstrap)|etc/(passwd|group|shadow|gshadow)-?"
    r"|var/(cache/(apt|debconf|ldconfig)/.+|lib/apt/lists/.+|log/.+\.log|lib/dpkg/.*-old|lib/dpkg/(lock|status)?.*lock.*)"
    r"|usr/share/(man|info|lintian|linda|groff)(/.*)?|usr/share/doc/[^/]+/(?!copyright$).+|usr/share/locale/.+"
)
READ = re.compile(
    r"etc/(passwd|group)|usr/lib/sysusers\.d/[^/]+\.conf|usr/share/ca-certificates/.+\.crt"
    r"|usr/local/share/ca-certificates/.+\.crt|var/lib/dpkg/status|(usr/)?bin/busybox"
)
# Folders that may change hands: left out of the stream and written at the end, when their owner is known.
HELD = frozenset(folder.path.strip("/") for known in KNOWN.values() for folder in known.folders)
FOLDERS = {
    "": 0o755, "bin": 0o755, "dev": 0o755, "etc": 0o755, "home": 0o755, "proc": 0o555, "root": 0o700, "run": 0o755,
    "sbin": 0o755, "sys": 0o555, "tmp": 0o1777, "usr": 0o755, "usr/bin": 0o755, "usr/sbin": 0o755, "var": 0o755,
    "var/lib": 0o755, "var/log": 0o755, "var/tmp": 0o1777, "etc/ssl": 0o755, "etc/ssl/certs": 0o755,
}  # fmt: skip
LINKS = {"var/run": "/run", "var/lock": "/run"}
NSSWITCH = b"passwd: files\ngroup: files\nshadow: files\nhosts: files dns\nservices: files\nprotocols: files\n"
SHELLS = (
    ("bin/dash", "dash"),
    ("usr/bin/dash", "/usr/bin/dash"),
    ("bin/bash", "bash"),
    ("usr/bin/bash", "/usr/bin/bash"),
)
CA_BUNDLE = "etc/ssl/certs/ca-certificates.crt"
PROGRAM_FOLDERS = ("bin", "sbin", "usr/bin", "usr/sbin")


def finish(tree: Tree, accounts: Accounts) -> Iterator[Entry]:
    """The entries to add to what the packages brought. Paths follow the tree's own links; none is there twice."""
    written: set[str] = set()
    for entry in additions(tree, accounts):
        path = tree.real(entry.path)
        if path not in written:
            written.add(path)
            yield replace(entry, path=path)


def accounts_of(tree: Tree, packages: Collection[str]) -> Accounts:
    texts = [tree.contents[path].decode(errors="replace") for path in sorted(tree.contents) if "/sysusers.d/" in path]
    passwd, group = (tree.contents.get(f"etc/{name}") for name in ("passwd", "group"))
    return accounts_for(
        packages,
        texts,
        passwd.decode(errors="replace") if passwd else None,
        group.decode(errors="replace") if group else None,
    )


def versions(tree: Tree) -> dict[str, str]:
    """The packages in dpkg's status; the extract variant leaves it empty."""
    status = tree.contents.get("var/lib/dpkg/status", b"").decode(errors="replace")
    return dict(re.findall(r"^Package: (\S+)\n(?:.+\n)*?Version: (\S+)", status, re.MULTILINE))


def additions(tree: Tree, accounts: Accounts) -> Iterator[Entry]:
    # An owned folder goes first: its owner wins over the plain folder of the same path.
    owned = {folder.path.strip("/"): folder for folder in accounts.folders}
    for path, folder in owned.items():
        user = accounts.users[folder.user]
        yield Entry(path, Kind.FOLDER, folder.mode, user.uid, user.gid)
    for path in sorted(HELD & tree.folders.keys() - owned.keys()):
        yield Entry(path, Kind.FOLDER, tree.folders[path].mode, tree.folders[path].uid, tree.folders[path].gid)
    for path, mode in FOLDERS.items():
        if not tree.has(path):
            yield Entry(path, Kind.FOLDER, mode)
    for path, target in LINKS.items():
        if not tree.has(path):
            yield Entry(path, Kind.LINK, 0o777, target=target)
    yield Entry("etc/passwd", Kind.FILE, content=accounts.passwd().encode())
    yield Entry("etc/group", Kind.FILE, content=accounts.group().encode())
    if not tree.has("etc/nsswitch.conf"):
        yield Entry("etc/nsswitch.conf", Kind.FILE, content=NSSWITCH)
    yield from ca_bundle(tree)
    yield from programs(tree)


def ca_bundle(tree: Tree) -> Iterator[Entry]:
    certificates = [tree.contents[path] for path in sorted(tree.contents) if path.endswith(".crt")]
    if certificates and not tree.has(CA_BUNDLE):
        yield Entry(CA_BUNDLE, Kind.FILE, content=b"".join(text.rstrip(b"\n") + b"\n" for text in certificates))


def programs(tree: Tree) -> Iterator[Entry]:
    """/bin/sh, and a link for each applet of busybox whose name no other program has."""
    busybox = next((path for path in ("bin/busybox", "usr/bin/busybox") if path in tree.contents), None)
    if not tree.has("bin/sh"):
        shell = next((target for path, target in SHELLS if tree.has(path)), None)
        if shell or busybox:
            yield Entry("bin/sh", Kind.LINK, 0o777, target=shell or f"/{busybox}")
    if busybox is not None:
        for applet in applets(tree.contents[busybox]):
            if not any(tree.has(f"{folder}/{applet}") for folder in PROGRAM_FOLDERS) and applet != "sh":
                yield Entry(f"usr/bin/{applet}", Kind.LINK, 0o777, target=f"/{busybox}")


def applets(binary: bytes) -> list[str]:
    """The names that a busybox answers to, read from its table: the program needn't run on this machine."""
    start = binary.find(b"\0[\0[[\0")
    if start < 0:
        return []
    table = re.match(rb"(?:[a-z0-9_.\[-]+\0)+", binary[start + 1 :])
    return sorted({name.decode() for name in table.group().split(b"\0") if name} if table else set())
