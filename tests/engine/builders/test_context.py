"""The build context: what is sent, how, and when its digest changes."""

from __future__ import annotations

import io
import os
import socket
import tarfile
from pathlib import Path

import pytest

from engine.builders.context import BuildContext, context_digest, context_tar, is_remote, read_context
from engine.builders.sources import DockerfileBuild
from engine.builders.tar_stream import CHUNK
from engine.client.errors import Conflict, InvalidArgument

pytestmark = pytest.mark.anyio


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "main.c").write_text("int main;\n")
    (tmp_path / "src" / "run.sh").write_text("#!/bin/sh\n")
    (tmp_path / "src" / "run.sh").chmod(0o755)
    (tmp_path / "node_modules" / "deep").mkdir(parents=True)
    (tmp_path / "node_modules" / "deep" / "x.js").write_text("x")
    (tmp_path / "link").symlink_to("src/main.c")
    return tmp_path


async def sent(context: BuildContext) -> tarfile.TarFile:
    whole = b"".join([chunk async for chunk in context_tar(context)])
    return tarfile.open(fileobj=io.BytesIO(whole))


def build(folder: Path, **keys: str) -> DockerfileBuild:
    return DockerfileBuild(str(folder), **keys)  # type: ignore[arg-type]


async def test_files_links_and_modes_arrive_as_they_are(folder: Path) -> None:
    archive = await sent(read_context(build(folder)))
    assert archive.getnames() == [
        "Dockerfile",
        "link",
        "node_modules",
        "node_modules/deep",
        "node_modules/deep/x.js",
        "src",
        "src/main.c",
        "src/run.sh",
    ]
    assert archive.getmember("link").linkname == "src/main.c"
    assert archive.getmember("src/run.sh").mode == 0o755
    assert {(member.uid, member.gid, member.uname) for member in archive} == {(0, 0, "")}


async def test_ignored_files_stay_home_but_the_dockerfile_and_the_ignore_file_go(folder: Path) -> None:
    (folder / ".dockerignore").write_text("*\n!src/*.c\n")
    archive = await sent(read_context(build(folder)))
    # an excluded folder has no entry of its own, as with Docker
    assert archive.getnames() == [".dockerignore", "Dockerfile", "src/main.c"]


async def test_an_ignore_file_beside_the_dockerfile_wins(folder: Path) -> None:
    (folder / ".dockerignore").write_text("src\n")
    (folder / "Dockerfile.dockerignore").write_text("node_modules\nlink\n*.dockerignore\n")
    archive = await sent(read_context(build(folder)))
    assert archive.getnames() == [".dockerignore", "Dockerfile", "src", "src/main.c", "src/run.sh"]


async def test_a_dockerfile_from_outside_travels_under_a_hidden_name(folder: Path) -> None:
    context = read_context(build(folder / "src", dockerfile="../Dockerfile"))
    archive = await sent(context)
    file = archive.extractfile(context.dockerfile)
    hidden = archive.extractfile(".dockerignore")
    assert file is not None and hidden is not None
    assert file.read() == b"FROM scratch\n"
    assert hidden.read().decode().split() == [context.dockerfile, ".dockerignore"]


async def test_an_inline_dockerfile_keeps_the_folders_own_ignore_rules(folder: Path) -> None:
    (folder / ".dockerignore").write_text("src\nnode_modules")
    context = read_context(build(folder, dockerfile_inline="FROM scratch\nCOPY . /\n"))
    archive = await sent(context)
    assert sorted(archive.getnames()) == sorted([context.dockerfile, ".dockerignore", "Dockerfile", "link"])
    hidden = archive.extractfile(".dockerignore")
    assert hidden is not None
    assert hidden.read().decode().split() == ["src", "node_modules", context.dockerfile]


async def test_a_socket_is_left_out_and_a_pipe_is_sent_as_one(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        here = Path.cwd()
        os.chdir(folder)
        listener.bind("sock")
        os.chdir(here)
        archive = await sent(read_context(build(folder)))
    assert "sock" not in archive.getnames()
    assert archive.getmember("pipe").isfifo()


async def test_a_large_file_is_sent_in_pieces(folder: Path) -> None:
    (folder / "large").write_bytes(bytes(5 * CHUNK + 7))
    sizes = [len(chunk) async for chunk in context_tar(read_context(build(folder)))]
    assert max(sizes) <= CHUNK
    assert sum(sizes) % tarfile.BLOCKSIZE == 0


async def test_a_file_that_shrinks_while_it_is_sent_is_a_fault_that_names_it(folder: Path) -> None:
    (folder / "zz").write_bytes(bytes(3 * CHUNK))
    with pytest.raises(Conflict, match="zz: became shorter"):
        async for chunk in context_tar(read_context(build(folder))):
            if len(chunk) == CHUNK:
                (folder / "zz").write_bytes(b"")


def test_the_default_dockerfile_may_be_written_small(folder: Path) -> None:
    (folder / "Dockerfile").rename(folder / "dockerfile")
    assert read_context(build(folder)).dockerfile == "dockerfile"


def test_what_is_missing_is_named(folder: Path) -> None:
    with pytest.raises(InvalidArgument, match=r"/nothing: no such folder \(the build context\)"):
        read_context(build(folder / "nothing"))
    with pytest.raises(InvalidArgument, match=r"prod\.Dockerfile: no such Dockerfile"):
        read_context(build(folder, dockerfile="prod.Dockerfile"))
    (folder / ".dockerignore").write_text("a\n[\n")
    with pytest.raises(InvalidArgument, match=r"\.dockerignore: line 2"):
        read_context(build(folder))


def test_the_digest_knows_contents_names_and_modes_but_not_times(folder: Path) -> None:
    (folder / ".dockerignore").write_text("node_modules\n")
    before = context_digest(read_context(build(folder)))
    os.utime(folder / "src" / "main.c", (1, 1))
    (folder / "node_modules" / "new").write_text("ignored")
    assert context_digest(read_context(build(folder))) == before
    (folder / "src" / "main.c").chmod(0o600)
    changed_mode = context_digest(read_context(build(folder)))
    (folder / "src" / "main.c").rename(folder / "src" / "other.c")
    renamed = context_digest(read_context(build(folder)))
    (folder / "src" / "other.c").write_text("int other;\n")
    changed = context_digest(read_context(build(folder)))
    (folder / "link").unlink()
    (folder / "link").symlink_to("src/other.c")
    assert len({before, changed_mode, renamed, changed, context_digest(read_context(build(folder)))}) == 5


@pytest.mark.parametrize(
    ("context", "remote"),
    [
        ("https://github.com/a/b.git#main:sub", True),
        ("git@github.com:a/b.git", True),
        ("github.com/a/b", True),
        ("ssh://git@host/a", True),
        ("/srv/github.com/a", False),
        ("/app", False),
    ],
)
def test_a_remote_context_is_known_by_its_form(context: str, remote: bool) -> None:
    assert is_remote(context) is remote
