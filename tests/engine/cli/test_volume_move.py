"""`volume export` and `import`: what is in a volume comes back as it was, and a failure leaves nothing of itself."""

from __future__ import annotations

import gzip
import io
import os
import secrets
import stat
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.api.errors import InvalidArgument
from engine.cli.volumetars import checked
from tests.engine.cli.conftest import Place
from tests.engines import RunningEngine

root = pytest.mark.root
Told = dict[str, tuple[bytes, int, int, int, str, bytes]]


@pytest.fixture(params=["docker", "rorqual"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    engine: RunningEngine = request.getfixturevalue(f"{request.param}_engine")
    return Place(tmp_path, "volumes", engine)


@pytest.fixture
def name(place: Place) -> Iterator[str]:
    """A volume's name that is free, and free again afterwards."""
    found = f"vol-{secrets.token_hex(4)}"
    yield found
    place.run("volume", "rm", "-f", found, f"{found}-copy", code=None)


def make_tar(*, broken: bool = False) -> bytes:
    """A volume's content of every kind; `broken` is a whole tar that no engine can unpack to its end."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path, kind, mode, owner, link, content in (
            ("./", tarfile.DIRTYPE, 0o700, 999, "", b""),
            ("./pages", tarfile.DIRTYPE, 0o2711, 5, "", b""),
            ("./pages/one", tarfile.REGTYPE, 0o640, 33, "", b"first" * 400),
            ("./pages/same", tarfile.LNKTYPE, 0o640, 33, "./nowhere" if broken else "./pages/one", b""),
            ("./to", tarfile.SYMTYPE, 0o777, 33, "/etc/passwd", b""),
        ):
            entry = tarfile.TarInfo(path)
            entry.type, entry.mode, entry.uid, entry.gid, entry.linkname = kind, mode, owner, owner + 1, link
            entry.size, entry.mtime = len(content), 1_700_000_000
            tar.addfile(entry, io.BytesIO(content))
    return made.getvalue()


def told(archive: bytes) -> Told:
    """What a tar says of each path; whatever its folders' names end with."""
    found: Told = {}
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        for entry in tar:
            file = tar.extractfile(entry) if entry.isreg() else None
            link = os.path.normpath(entry.linkname) if entry.islnk() else entry.linkname
            mode = stat.S_IMODE(entry.mode)
            content = file.read() if file else b""
            found[os.path.normpath(entry.name)] = (entry.type, mode, entry.uid, entry.gid, link, content)
    return found


def volumes_and_containers(place: Place) -> str:
    return place.run("volume", "ls", "-q") + place.run("container", "ls", "-aq")


@root
def test_a_volume_comes_back_as_it_was(place: Place, name: str, tmp_path: Path) -> None:
    source, target = tmp_path / "in.tar", tmp_path / "out.tar"
    source.write_bytes(gzip.compress(make_tar()))
    before = place.run("container", "ls", "-aq")
    assert place.run("volume", "import", "--label", "a=b", name, str(source)) == f"{name}\n"
    place.run("volume", "export", "-o", str(target), name)
    assert told(target.read_bytes()) == told(make_tar())
    assert place.run("volume", "inspect", "-f", "{{.Labels.a}}", name) == "b\n"
    place.run("volume", "import", f"{name}-copy", stdin=target.read_bytes())
    place.run("volume", "export", "-o", str(source), f"{name}-copy")
    assert told(source.read_bytes()) == told(make_tar())
    assert place.run("container", "ls", "-aq") == before


@root
def test_a_volume_with_data_is_filled_only_by_force(place: Place, name: str) -> None:
    place.run("volume", "import", name, stdin=make_tar())
    refused = place.result("volume", "import", name, stdin=make_tar())
    assert refused.returncode == 1
    assert f"the volume {name} is not empty: --force" in refused.stderr
    place.run("volume", "import", "--force", name, stdin=make_tar())
    assert place.result("volume", "import", "--label", "a=b", name, stdin=make_tar()).returncode == 1


@root
def test_a_tar_that_breaks_leaves_everything_as_it_was(place: Place, name: str, tmp_path: Path) -> None:
    before = volumes_and_containers(place)
    cut = place.result("volume", "import", name, stdin=make_tar()[:3000])
    assert (cut.returncode, cut.stderr[:23]) == (1, "rorqual: stdin is no wh"), cut.stderr
    assert place.result("volume", "import", name, stdin=make_tar(broken=True)).returncode == 1
    assert place.result("volume", "export", "-o", str(tmp_path / "x"), name).returncode == 1
    assert volumes_and_containers(place) == before
    place.run("volume", "create", "--label", "kept=yes", name)
    broken = place.result("volume", "import", name, stdin=make_tar(broken=True))
    assert (broken.returncode, "a part of" in broken.stderr) == (1, False)
    assert place.run("volume", "inspect", "-f", "{{.Labels.kept}}", name) == "yes\n"
    place.run("volume", "import", name, stdin=make_tar())
    assert list(tmp_path.glob("*x*")) == []


@root
def test_podman_takes_a_volume_and_names_its_own_way_out(podman_engine: RunningEngine, tmp_path: Path) -> None:
    place, name = Place(tmp_path, "volumes", podman_engine), f"vol-{secrets.token_hex(4)}"
    place.run("volume", "import", name, stdin=make_tar())
    try:
        folder = Path(place.run("volume", "inspect", "-f", "{{.Mountpoint}}", name).strip())
        assert (folder.stat().st_uid, stat.S_IMODE(folder.stat().st_mode)) == (999, 0o700)
        page = (folder / "pages" / "one").stat()
        assert (page.st_uid, page.st_gid, page.st_nlink) == (33, 34, 2)
        assert place.result("volume", "import", name, stdin=make_tar()).returncode == 1
        refused = place.result("volume", "export", name)
        assert (refused.returncode, refused.stdout) == (1, "")
        assert f"podman volume export -o FILE {name}" in refused.stderr
    finally:
        place.run("volume", "rm", name)


@pytest.mark.parametrize("content", [b"", b"no tar at all" * 100, make_tar()[:3000], make_tar()[: 512 * 3]])
def test_what_is_no_whole_tar_is_refused(content: bytes) -> None:
    with pytest.raises(InvalidArgument, match=r"x\.tar is "):
        checked(io.BytesIO(content), "x.tar")


@pytest.mark.parametrize("path", ["../out", "/etc/passwd", "a/../../b"])
def test_an_entry_that_would_leave_the_volume_is_refused(path: str) -> None:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        tar.addfile(tarfile.TarInfo(path))
    made.seek(0)
    with pytest.raises(InvalidArgument, match="would leave the volume"):
        checked(made, "x.tar")
