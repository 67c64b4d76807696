"""Archives, contexts and links that would leave their place."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.daemon.build.building import FROM, Builds, tar_of

pytestmark = pytest.mark.root


def evil_tar(*entries: tuple[str, bytes, str], dockerfile: str = "") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        if dockerfile:
            entry = tarfile.TarInfo("Dockerfile")
            entry.size = len(dockerfile)
            archive.addfile(entry, io.BytesIO(dockerfile.encode()))
        for name, kind, target in entries:
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = kind, target
            entry.size = 4 if kind == tarfile.REGTYPE else 0
            archive.addfile(entry, io.BytesIO(b"evil"))
    return buffer.getvalue()


@pytest.fixture
def outside() -> Iterator[Path]:
    path = Path(f"/tmp/rq-outside-{os.getpid()}")
    path.mkdir()
    (path / "kept").write_text("host")
    yield path
    assert [(p.name, p.read_text()) for p in path.iterdir()] == [("kept", "host")]
    (path / "kept").unlink()
    path.rmdir()


def test_no_archive_and_no_context_writes_or_reads_outside(builds: Builds, outside: Path) -> None:
    link, file, hard = tarfile.SYMTYPE, tarfile.REGTYPE, tarfile.LNKTYPE
    for bad in (
        evil_tar((f"../../../../..{outside}/new", file, "")),
        evil_tar((f"{'../' * 12}{outside}/kept", file, "")),
        evil_tar(("h", hard, f"../../../../..{outside}/kept")),
    ):
        assert "tar file" in builds.fault(FROM + "ADD evil.tar /x\n", {"evil.tar": bad})["message"]
        status, _ = builds.call(bad)
        assert status == 400
    through = evil_tar(("l", link, str(outside)), ("l/new", file, ""), ("l/kept", file, ""))
    builds.said(FROM + "ADD evil.tar /x\n", {"evil.tar": through}, t="evil")
    sneaky = evil_tar(("Dockerfile", link, "/etc/passwd"))
    assert "Cannot locate" in builds.call(sneaky)[1]
    _, lines = builds.call(evil_tar(("l", link, f"{outside}/kept"), dockerfile=FROM + "COPY l /x\n"))
    assert "file not found" in lines[-1]["error"]
    text = f"{FROM.strip()} AS s\nRUN ln -s {outside} /l && ln -s /proc/1/root /p\n{FROM}COPY --from=s "
    assert "file not found" in builds.fault(text + "/l/kept /x\n")["message"]
    assert "file not found" in builds.fault(text + f"/p{outside}/kept /x\n")["message"]
    over = f"RUN ln -s {outside} /out\nCOPY f /out/new\nADD f /out/kept\nWORKDIR /out/dir\n"
    builds.said(FROM + over, {"f": "image"}, t="over")


def test_a_devices_archive_makes_no_device_of_a_context(builds: Builds) -> None:
    device = tarfile.TarInfo("sda")
    device.type, device.devmajor = tarfile.BLKTYPE, 8
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(device)
    assert "is a device" in builds.call(buffer.getvalue())[1]


def test_a_damaged_context_is_told(builds: Builds) -> None:
    whole = tar_of({"Dockerfile": FROM + "RUN true\n", "f": b"x" * 5000})
    status, message = builds.call(whole[:-9000])
    assert status == 400 and "build context can't be unpacked" in message
    assert builds.call(b"no tar at all" * 100)[0] == 400
    status, message = builds.call(b"")
    assert (status, message) == (400, "Cannot locate specified Dockerfile: Dockerfile")
