"""`files:` lie over the packages without disturbing the folders below."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from engine.builders.debian.cache import CachedLayer
from engine.builders.debian.files import write_files
from engine.builders.debian.finish import Folder
from engine.builders.debian.layer import Times
from engine.builders.sources import ImageFile
from engine.client.errors import InvalidArgument
from engine.oci.digest import Digest

BELOW = CachedLayer(
    path=Path("layer.tar"),
    diff_id=Digest.of(b""),
    size=0,
    newest=0,
    packages={},
    folders={"tmp": Folder(0o1777, 0, 0), "usr": Folder(0o755, 0, 0), "usr/bin": Folder(0o755, 0, 0)},
    links={"bin": "usr/bin"},
    users={"root": (0, 0), "app": (500, 501)},
    groups={"root": 0, "app": 501, "staff": 50},
)


def laid(*files: ImageFile) -> tarfile.TarFile:
    out = io.BytesIO()
    write_files(files, BELOW, out, Times(0))
    out.seek(0)
    return tarfile.open(fileobj=out)


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "run.sh"
    path.write_text("#!/bin/sh\n")
    path.chmod(0o750)
    return path


def test_a_file_keeps_its_mode_and_belongs_to_root(script: Path) -> None:
    member = laid(ImageFile(script, "/app/run.sh")).getmember("app/run.sh")
    assert (member.mode, member.uid, member.gid) == (0o750, 0, 0)


def test_mode_and_owner_can_be_given_by_name_or_number(script: Path) -> None:
    archive = laid(
        ImageFile(script, "/a", 0o400, "app"),
        ImageFile(script, "/b", owner="app:staff"),
        ImageFile(script, "/c", owner="7:8"),
    )
    assert [(m.mode, m.uid, m.gid) for m in archive] == [(0o400, 500, 501), (0o750, 500, 50), (0o750, 7, 8)]


def test_a_folder_below_keeps_its_own_mode(script: Path) -> None:
    assert laid(ImageFile(script, "/tmp/run.sh")).getmember("tmp").mode == 0o1777


def test_a_path_through_a_link_lands_where_the_link_leads(script: Path) -> None:
    assert laid(ImageFile(script, "/bin/run")).getnames() == ["usr", "usr/bin", "usr/bin/run"]


def test_a_target_that_ends_in_a_slash_takes_the_files_name(script: Path) -> None:
    assert "app/run.sh" in laid(ImageFile(script, "/app/")).getnames()


def test_a_folder_goes_whole_with_its_links(script: Path) -> None:
    (script.parent / "sub").mkdir()
    (script.parent / "sub" / "x").write_text("x")
    (script.parent / "link").symlink_to("sub/x")
    archive = laid(ImageFile(script.parent, "/srv", owner="app"))
    assert archive.getnames() == ["srv", "srv/link", "srv/run.sh", "srv/sub", "srv/sub/x"]
    assert archive.getmember("srv/link").linkname == "sub/x"
    assert archive.getmember("srv/sub/x").uid == 500


def test_the_later_file_at_one_path_wins(script: Path, tmp_path: Path) -> None:
    (tmp_path / "other").write_text("other")
    archive = laid(ImageFile(script, "/x"), ImageFile(tmp_path / "other", "/x"))
    file = archive.extractfile("x")
    assert file is not None and file.read() == b"other"
    assert archive.getnames() == ["x"]


def test_an_owner_that_the_image_does_not_know_is_named(script: Path) -> None:
    with pytest.raises(InvalidArgument, match='owner "whale" of /x: the image has no user "whale"'):
        laid(ImageFile(script, "/x", owner="whale"))
    with pytest.raises(InvalidArgument, match='has no group "pod"'):
        laid(ImageFile(script, "/x", owner="app:pod"))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match=r"gone: no such file or folder \(for /x in the image\)"):
        laid(ImageFile(tmp_path / "gone", "/x"))
