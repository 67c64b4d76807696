"""The pure parts of exec, attach, cp, run and watch: keys, tars, one-off projects, watch rules."""

from __future__ import annotations

import io
import tarfile
import time
from pathlib import Path

import pytest

from engine.api.errors import InvalidArgument
from engine.cli.archives import pack, unpack
from engine.cli.copying import split_service
from engine.cli.detachkeys import DetachKeys, parse_keys
from engine.cli.execs import environment
from engine.cli.moments import from_rfc3339, moment_of, to_rfc3339
from engine.cli.oneoff import OneOff, oneoff_project
from engine.cli.watchrules import Rule, Work, work_of
from engine.dockerfile.ignore import parse
from specs.models import Project

NOW = 1_700_000_000 * 10**9


def test_the_detach_keys_are_found_across_reads_and_never_passed_on() -> None:
    keys = DetachKeys(parse_keys("ctrl-p,ctrl-q"))
    assert keys.feed(b"ls\x10") == b"ls"
    assert keys.feed(b"\x11rest") == b""
    assert keys.found


def test_half_a_detach_sequence_is_passed_on_after_all() -> None:
    keys = DetachKeys(parse_keys("ctrl-p,ctrl-q"))
    assert keys.feed(b"\x10") == b""
    assert keys.feed(b"\x10x") == b"\x10\x10x"
    assert not keys.found


def test_detach_keys_may_be_any_keys_and_nonsense_is_an_error() -> None:
    assert parse_keys("a,ctrl-@,ctrl-[") == b"a\x00\x1b"
    with pytest.raises(InvalidArgument, match="ctrl-1"):
        parse_keys("ctrl-1")


def test_moments_are_read_in_every_form() -> None:
    assert moment_of("10m", "--since", NOW) == NOW - 600 * 10**9
    assert moment_of("1.5", "--since", NOW) == 1_500_000_000
    assert moment_of("2023-11-14T22:13:20.000000001Z", "--since", NOW) == NOW + 1
    assert moment_of("2023-11-15T00:13:20+02:00", "--since", NOW) == NOW
    local = int(time.mktime(time.strptime("2023-11-14", "%Y-%m-%d"))) * 10**9
    assert moment_of("2023-11-14", "--since", NOW) == local
    with pytest.raises(InvalidArgument, match="--until"):
        moment_of("yesterday", "--until", NOW)


def test_an_engines_time_keeps_every_nanosecond() -> None:
    assert from_rfc3339(to_rfc3339(NOW + 123456789)) == NOW + 123456789


def test_a_variable_without_a_value_is_taken_from_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HERE", "yes")
    monkeypatch.delenv("NOWHERE", raising=False)
    assert environment(["A=1", "HERE", "NOWHERE"]) == ["A=1", "HERE=yes"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("web:/a", ("web", "/a")), ("./web:/a", None), ("/a:b", None), ("-", None), ("web", None)],
)
def test_a_service_path_is_told_from_a_path_here(text: str, expected: tuple[str, str] | None) -> None:
    assert split_service(text) == expected


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    folder = tmp_path / "tree"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub/file").write_text("content")
    (folder / "sub/file").chmod(0o750)
    (folder / "link").symlink_to("sub/file")
    return folder


def packed(source: Path, name: str, *, contents: bool = False) -> io.BytesIO:
    stream = io.BytesIO()
    pack(stream, source, name, contents=contents, follow=False, keep_owner=False)
    return io.BytesIO(stream.getvalue())


def test_a_folder_is_packed_under_another_name_with_links_and_modes(tree: Path) -> None:
    with tarfile.open(fileobj=packed(tree, "renamed")) as tar:
        members = {member.name: member for member in tar}
    assert members.keys() == {"renamed", "renamed/link", "renamed/sub", "renamed/sub/file"}
    assert members["renamed/link"].linkname == "sub/file"
    assert members["renamed/sub/file"].mode & 0o777 == 0o750
    assert members["renamed/sub/file"].uid == 0


def test_packing_and_unpacking_gives_the_same_tree(tree: Path, tmp_path: Path) -> None:
    target = tmp_path / "out"
    target.mkdir()
    unpack(packed(tree, "top"), target, name="top", as_name="mine", keep_owner=False)
    assert (target / "mine/sub/file").read_text() == "content"
    assert (target / "mine/link").readlink() == Path("sub/file")
    unpack(packed(tree, "top"), target, name="top", as_name=None, keep_owner=False)
    assert (target / "sub/file").read_text() == "content"


@pytest.mark.parametrize("name", ["../evil", "top/../../evil", "/../evil"])
def test_a_tar_from_a_container_never_writes_outside(name: str, tmp_path: Path) -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        tar.addfile(tarfile.TarInfo(name), io.BytesIO())
    target = tmp_path / "out"
    target.mkdir()
    with pytest.raises(InvalidArgument, match="would leave"):
        unpack(io.BytesIO(stream.getvalue()), target, name="top", as_name="top", keep_owner=False)
    assert not (tmp_path / "evil").exists()


def test_a_tar_never_writes_through_a_link_of_its_own(tmp_path: Path) -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        link = tarfile.TarInfo("top/link")
        link.type, link.linkname = tarfile.SYMTYPE, str(tmp_path)
        tar.addfile(link)
        tar.addfile(tarfile.TarInfo("top/link/evil"), io.BytesIO())
    target = tmp_path / "out"
    target.mkdir()
    with pytest.raises(InvalidArgument, match="would leave"):
        unpack(io.BytesIO(stream.getvalue()), target, name="top", as_name="top", keep_owner=False)
    assert not (tmp_path / "evil").exists()


def project() -> Project:
    service = {
        "image": "busybox",
        "command": ["serve"],
        "environment": {"A": "1"},
        "restart": "always",
        "ports": [{"target": 80, "published": "8080"}],
        "volumes": [{"type": "volume", "source": "data", "target": "/data"}],
        "depends_on": {"db": {"condition": "service_started"}},
    }
    return Project.model_validate(
        {
            "name": "shop",
            "working_dir": "/x",
            "services": {"web": service, "db": {"image": "busybox"}},
            "volumes": {"data": {"name": "shop_data"}},
        }
    )


def test_a_one_off_is_restarted_by_nobody_and_publishes_nothing() -> None:
    run = OneOff("web", "shop-web-run-1", "1", command=("sh",), environment={"A": "2", "B": None})
    service = oneoff_project(project(), run).services["web"]
    assert (service.restart, service.ports, service.command) == (None, None, ["sh"])
    assert service.environment == {"A": "2", "B": None}
    assert service.container_name == "shop-web-run-1"


def test_a_one_offs_flags_are_added_to_what_the_service_says() -> None:
    run = OneOff(
        "web",
        "n",
        "1",
        entrypoint="sh -c 'a b'",
        publish=("9090:90/udp",),
        volumes=("/host:/data", "other:/other"),
        service_ports=True,
    )
    changed = oneoff_project(project(), run)
    service = changed.services["web"]
    assert (service.entrypoint, service.command) == (["sh", "-c", "a b"], [])
    assert [(p.target, p.published, p.protocol) for p in service.ports or ()] == [
        (80, "8080", None),
        (90, "9090", "udp"),
    ]
    # the command line's mount takes the place of the service's
    assert [(m.type, m.source, m.target) for m in service.volumes or ()] == [
        ("bind", "/host", "/data"),
        ("volume", "other", "/other"),
    ]
    assert changed.volumes["other"].name == "other"


@pytest.mark.parametrize(("flag", "value"), [("publish", ("x",)), ("volumes", ("/a::/b",)), ("entrypoint", "'")])
def test_a_one_offs_malformed_flag_is_an_error_in_words(flag: str, value: object) -> None:
    with pytest.raises(InvalidArgument, match="--"):
        oneoff_project(project(), OneOff("web", "n", "1", **{flag: value}))  # type: ignore[arg-type]


def rule(action: str, path: str, **more: object) -> Rule:
    return Rule("web", action, Path(path), **more)  # type: ignore[arg-type]


def test_a_sync_maps_paths_below_the_rule_into_the_container() -> None:
    work = work_of([rule("sync", "/p/src", target="/srv")], [Path("/p/src/a/b"), Path("/p/other")])
    assert work == {"web": Work(files={"/srv/a/b": Path("/p/src/a/b")})}


def test_a_rule_on_one_file_has_its_target_as_that_file() -> None:
    work = work_of([rule("sync+restart", "/p/conf", target="/etc/conf")], [Path("/p/conf")])
    assert work == {"web": Work(restart=True, files={"/etc/conf": Path("/p/conf")})}


def test_a_rebuild_takes_everything_else_with_it() -> None:
    rules = [rule("sync", "/p", target="/srv"), rule("rebuild", "/p/lock")]
    assert work_of(rules, [Path("/p/lock"), Path("/p/a")]) == {"web": Work(rebuild=True)}


def test_ignored_included_and_ephemeral_paths_are_told_apart() -> None:
    watched = rule(
        "sync",
        "/p",
        target="/srv",
        ignore=parse("node_modules\n**/*.log"),
        include=parse("**/*.py\n**/*.log\nnode_modules"),
        base=Path("/p"),
        context_ignore=parse("secret"),
    )
    paths = ["a.py", "a.txt", "x/a.log", "node_modules/a.py", ".git/a.py", "secret/a.py", "x/.a.py.swp"]
    work = work_of([watched], [Path("/p", path) for path in paths])
    assert work["web"].files.keys() == {"/srv/a.py"}
