"""The pure parts of a debian image: sources, accounts, the finish step, the command, the faults."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import anyio
import pytest

from engine.builders.debian.accounts import DYNAMIC, accounts_for
from engine.builders.debian.finish import Tree, applets
from engine.builders.debian.layer import LayerMade, Times, write_layer
from engine.builders.debian.mmdebstrap import command, explain, resolve_packages
from engine.builders.debian.sources import lines_for
from engine.builders.sources import DebianImage
from engine.client.errors import InvalidArgument, SystemFailure, Unavailable

STANZAS = """
# the distribution
Types: deb deb-src
URIs: http://mirror.internal/debian
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By: /usr/share/keyrings/debian.gpg

Types: deb
URIs: http://mirror.internal/security
Suites: bookworm-security
Components: main

Types: deb
URIs: http://vendor.internal/deb
Suites: bookworm
Components: stable

Enabled: no
Types: deb
URIs: http://off.internal/debian
Suites: bookworm
Components: main
"""


def test_sources_of_this_machine_that_serve_the_suite_are_used() -> None:
    assert lines_for("bookworm", [], [STANZAS]) == [
        "deb [signed-by=/usr/share/keyrings/debian.gpg] http://mirror.internal/debian bookworm main contrib",
        "deb [signed-by=/usr/share/keyrings/debian.gpg] http://mirror.internal/debian bookworm-updates main contrib",
        "deb http://mirror.internal/security bookworm-security main",
    ]
    assert lines_for("trixie", [], [STANZAS]) == []


def test_one_line_sources_are_read_too() -> None:
    text = (
        "# old\ndeb [arch=amd64] http://a.internal/debian trixie main  non-free # note\ndeb-src http://b trixie main\n"
    )
    assert lines_for("trixie", [text], []) == ["deb [arch=amd64] http://a.internal/debian trixie main non-free"]


def test_updates_alone_do_not_make_a_suite() -> None:
    assert lines_for("bookworm", ["deb http://a bookworm-updates main"], []) == []


def test_base_accounts_are_debians() -> None:
    passwd = accounts_for([], []).passwd().splitlines()
    assert passwd[0] == "root:x:0:0:root:/root:/bin/sh"
    assert "www-data:x:33:33:www-data:/var/www:/usr/sbin/nologin" in passwd
    assert passwd[-1] == "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin"


def test_users_of_sysusers_get_ids_that_do_not_depend_on_their_neighbours() -> None:
    line = 'u whale - "A whale" /var/lib/whale\n'
    alone = accounts_for([], [line]).users["whale"]
    crowded = accounts_for([], ["u aaa -\nu bbb -\n", line, "g zzz -\n"]).users["whale"]
    assert alone == crowded
    assert alone.uid in DYNAMIC and alone.uid == alone.gid
    assert (alone.gecos, alone.home) == ("A whale", "/var/lib/whale")


def test_sysusers_fixed_ids_groups_and_memberships_are_kept() -> None:
    accounts = accounts_for([], ['g input 104\nu tss 150:104 "TPM"\nm tss kvm\nr - 500-900\n# note\n'])
    assert (accounts.users["tss"].uid, accounts.users["tss"].gid) == (150, 104)
    assert "tss" in next(line for line in accounts.group().splitlines() if line.startswith("kvm:"))


def test_well_known_packages_bring_their_users_and_folders() -> None:
    accounts = accounts_for({"postgresql-common", "nginx-common"}, [])
    assert accounts.users["postgres"].uid == 999
    assert {folder.path for folder in accounts.folders} >= {"/var/lib/postgresql", "/var/lib/nginx"}


def test_accounts_that_the_image_had_stay() -> None:
    accounts = accounts_for({"redis-tools"}, [], "root:x:0:0:root:/root:/bin/bash\n", "root:x:0:\n")
    assert accounts.users["root"].shell == "/bin/bash"
    assert sorted(accounts.users) == ["redis", "root"]


def test_busybox_names_its_applets() -> None:
    assert applets(b"\x7fELF..\0[\0[[\0ash\0wget\0\0more") == ["[", "[[", "ash", "wget"]
    assert applets(b"\x7fELF nothing here") == []


def test_a_path_follows_the_links_above_it() -> None:
    tree = Tree(links={"bin": "usr/bin", "usr/bin": "../opt/bin", "loop": "loop"})
    assert tree.real("bin/sh") == "opt/bin/sh"
    assert tree.real("bin") == "bin"
    assert tree.real("etc/passwd") == "etc/passwd"
    assert tree.real("loop/x").endswith("x")


def packed(entries: dict[str, bytes | None], mtime: int = 1000) -> io.BytesIO:
    """A tar as mmdebstrap makes it; None is a folder."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in entries.items():
            member = tarfile.TarInfo(f"./{name}")
            member.mtime, member.mode = mtime, 0o755
            if content is None:
                member.type = tarfile.DIRTYPE
            member.size = len(content or b"")
            archive.addfile(member, io.BytesIO(content or b""))
    buffer.seek(0)
    return buffer


def layer(
    entries: dict[str, bytes | None], *, packages: frozenset[str] = frozenset(), mtime: int = 1000
) -> tuple[LayerMade, tarfile.TarFile]:
    out = io.BytesIO()
    made = write_layer(packed(entries, mtime), out, lambda: packages, Times(started=2000))
    out.seek(0)
    return made, tarfile.open(fileobj=out)


ROOT: dict[str, bytes | None] = {
    "": None,
    "dev": None,
    "dev/null": b"",
    "bin": None,
    "bin/busybox": b"ELF\0[\0[[\0ash\0nologin\0sh\0wget\0\0",
    "usr": None,
    "usr/bin": None,
    "usr/bin/wget": b"the real one",
    "etc": None,
    "etc/hostname": b"builder",
    "etc/resolv.conf": b"nameserver 10.0.0.1",
    "etc/apt": None,
    "etc/apt/sources.list": b"deb http://mirror.internal",
    "usr/share/ca-certificates/b.crt": b"BBB",
    "usr/share/ca-certificates/a.crt": b"AAA\n",
    "usr/share/doc/x/README": b"words",
    "usr/share/doc/x/copyright": b"terms",
    "usr/share/man/man1/x.1": b"words",
    "var/lib/nginx": None,
}


def test_the_finish_step_adds_what_an_image_needs_and_takes_the_hosts_traces() -> None:
    _, archive = layer(ROOT)
    names = archive.getnames()
    assert len(names) == len(set(names)), "dockerd refuses a layer with one path twice"
    assert not {"etc/hostname", "etc/resolv.conf", "etc/apt/sources.list", "dev/null"} & set(names)
    assert {"tmp", "root", "run", "etc/passwd", "etc/group", "etc/nsswitch.conf"} <= set(names)
    assert archive.getmember("tmp").mode == 0o1777
    assert archive.getmember("bin/sh").linkname == "/bin/busybox"
    assert archive.getmember("usr/bin/ash").linkname == "/bin/busybox"
    assert archive.getmember("usr/bin/wget").isreg(), "a program that is there is no applet"
    bundle = archive.extractfile("etc/ssl/certs/ca-certificates.crt")
    assert bundle is not None and bundle.read() == b"AAA\nBBB\n"
    assert "usr/share/doc/x/copyright" in names
    assert not {"usr/share/doc/x/README", "usr/share/man/man1/x.1"} & set(names)


def test_a_folder_goes_to_the_user_of_its_package() -> None:
    _, without = layer(ROOT)
    _, with_nginx = layer(ROOT, packages=frozenset({"nginx-common"}))
    assert without.getmember("var/lib/nginx").uid == 0
    assert with_nginx.getmember("var/lib/nginx").uid == 33


def test_packages_times_stay_and_this_builds_times_go() -> None:
    made, archive = layer(ROOT, mtime=1000)
    assert made.newest == 1000 and archive.getmember("usr/bin/wget").mtime == 1000
    again, late = layer(ROOT, mtime=2500)
    assert again.newest == 0 and late.getmember("usr/bin/wget").mtime == 0


def test_equal_packages_make_equal_layers() -> None:
    assert layer(ROOT, mtime=2100)[0].diff_id == layer(ROOT, mtime=2900)[0].diff_id


def test_dpkgs_status_names_packages_where_it_is_filled() -> None:
    status = b"Package: redis-tools\nStatus: install ok installed\nVersion: 5:7\n\n"
    made, _ = layer({**ROOT, "var/lib/dpkg/status": status})
    assert "redis" in made.accounts.users


def test_the_command_names_the_packages_once_and_in_order() -> None:
    words = command(DebianImage("bookworm", ("b", "a", "b"), architecture="arm64"), ["deb x"], simulate=False)
    assert "--include=a,b" in words and "--architectures=arm64" in words
    assert words[-4:] == ["--", "bookworm", "-", "deb x"]
    assert "--simulate" in command(DebianImage("bookworm"), [], simulate=True)


@pytest.mark.parametrize(
    ("tail", "error", "words"),
    [
        (["E: Unable to locate package nosuch"], InvalidArgument, 'Debian bookworm has no package "nosuch"'),
        (
            ["E: The repository 'http://m bookworm Release' does not have a Release file."],
            InvalidArgument,
            'no suite "bookworm"',
        ),
        (["Err:1 http://m Temporary failure resolving 'm'"], Unavailable, "can't be reached"),
        (["E: no space left on device"], SystemFailure, "exit code 25:\nE: no space left"),
    ],
)
def test_a_fault_of_mmdebstrap_is_told_in_the_users_words(tail: list[str], error: type[Exception], words: str) -> None:
    fault = explain(DebianImage("bookworm"), 25, tail)
    assert type(fault) is error
    assert words in fault.message


def test_a_machine_without_mmdebstrap_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Unavailable, match="apt-get install mmdebstrap"):
        anyio.run(resolve_packages, DebianImage("bookworm"), print)
