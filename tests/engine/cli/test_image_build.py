"""`rorqual image build`: flags, standard input, the id, and what is wrong in words."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tests.busybox import REFERENCE
from tests.engines import RunningEngine

pytestmark = pytest.mark.root


def build(engine: RunningEngine, folder: Path, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "engine.cli.main", "image", "build", "--host", engine.host, *words]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3]), "FROM_ENV": "environment"}
    return subprocess.run(command, cwd=folder, input=stdin, env=environment, capture_output=True, text=True, timeout=60)


def test_an_image_is_built_of_a_folder_with_its_flags(rorqual_engine: RunningEngine, tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "secret.txt").write_text("four")
    (tmp_path / "deep" / "Other").write_text(
        f"FROM {REFERENCE} AS one\nARG A\nARG FROM_ENV\nCOPY deep /d\n"
        "RUN --mount=type=secret,id=s echo $A $FROM_ENV $(wc -c < /run/secrets/s); grep far /etc/hosts\n"
        f"FROM scratch\n"
    )
    flags = ["--build-arg", "A=given", "--build-arg", "FROM_ENV", "--secret", "id=s,src=secret.txt", "--target", "one"]
    more = ["--add-host", "far:1.2.3.4", "--label", "k=v", "-t", "rq-image-build", "--iidfile", "id", "--no-cache"]
    done = build(rorqual_engine, tmp_path, *flags, *more, "-f", "deep/Other", ".")
    assert done.returncode == 0, done.stderr
    assert "given environment 4\n" in done.stdout and "1.2.3.4\tfar" in done.stdout
    assert "Successfully tagged rq-image-build:latest" in done.stdout
    quiet = build(rorqual_engine, tmp_path, *flags, *more[:-1], "-q", "-f", "deep/Other", ".")
    assert quiet.stdout.strip() == (tmp_path / "id").read_text()


def test_a_dockerfile_may_come_by_standard_input(rorqual_engine: RunningEngine, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("context")
    text = f"FROM {REFERENCE}\nCOPY a /a\nRUN cat /a\n"
    assert "context" in build(rorqual_engine, tmp_path, "--no-cache", "-f", "-", ".", stdin=text).stdout
    alone = build(rorqual_engine, tmp_path, "-", stdin=text)
    assert alone.returncode == 1 and "COPY failed" in alone.stderr


def test_what_is_wrong_is_said_with_its_place(rorqual_engine: RunningEngine, tmp_path: Path) -> None:
    wrong = build(rorqual_engine, tmp_path, "-", stdin=f"FROM {REFERENCE}\nRUNN x\n")
    assert wrong.returncode == 1
    assert "Dockerfile:2:1: error[unknown-instruction]: unknown instruction: RUNN (did you mean RUN?)" in wrong.stderr
    for words, told in (
        (("gone",), "no such folder"),
        (("--secret", "id=s", "--secret", "x", "."), "--secret takes id=ID"),
        (("--shm-size", "much", "."), "--shm-size takes a size"),
        (("--label", "=x", "."), "--label takes NAME=VALUE"),
    ):
        done = build(rorqual_engine, tmp_path, *words)
        assert done.returncode != 0 and told in done.stderr, done.stderr


FLAT = f"""FROM {REFERENCE} AS made
RUN mkdir -p /out/gone /out/kept && echo 1 > /out/file && echo 2 > /out/gone/x && ln /out/file /out/hard
RUN rm -r /out/gone && echo 3 > /out/file && ln -s /etc/passwd /out/link && chmod 750 /out/kept
FROM scratch
COPY --from=made /out /
"""


def test_the_files_may_go_to_a_folder_or_a_tar(rorqual_engine: RunningEngine, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(FLAT)
    named = build(rorqual_engine, tmp_path, "-t", "rq-named", ".")
    assert named.returncode == 0, named.stderr
    ids = rorqual_engine.inside(["docker", "-H", rorqual_engine.host, "images", "-q"]).stdout
    for words in (("-o", "out"), ("--target", "made", "-o", "type=tar,dest=made.tar")):
        done = build(rorqual_engine, tmp_path, *words, ".")
        assert done.returncode == 0, done.stderr
    out = tmp_path / "out"
    assert sorted(path.name for path in out.iterdir()) == ["file", "hard", "kept", "link"]
    assert [(out / name).read_text() for name in ("file", "hard")] == ["3\n", "1\n"]
    assert os.readlink(out / "link") == "/etc/passwd" and (out / "kept").stat().st_mode & 0o777 == 0o750
    with tarfile.open(tmp_path / "made.tar") as made:
        names = made.getnames()
        assert "bin/busybox" in names or "usr/bin/busybox" in names
        assert "out/gone" not in names and made.getmember("out/link").linkname == "/etc/passwd"
    # nobody named the second of these images
    assert rorqual_engine.inside(["docker", "-H", rorqual_engine.host, "images", "-q"]).stdout == ids


@pytest.mark.parametrize("kind", ["docker", "oci"])
def test_an_image_may_go_to_an_archive(rorqual_engine: RunningEngine, tmp_path: Path, kind: str) -> None:
    (tmp_path / "Dockerfile").write_text(FLAT + "LABEL kept=yes\n")
    done = build(rorqual_engine, tmp_path, "-t", f"rq-out:{kind}", "-o", f"type={kind},dest=image.tar", ".")
    assert done.returncode == 0, done.stderr
    place = f"docker-archive:image.tar:rq-out:{kind}" if kind == "docker" else "oci-archive:image.tar"
    said = subprocess.run(["skopeo", "inspect", place], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert json.loads(said)["Labels"]["kept"] == "yes"
    docker = ["docker", "-H", rorqual_engine.host]
    subprocess.run([*docker, "rmi", f"rq-out:{kind}"], check=True, capture_output=True)
    subprocess.run([*docker, "load", "-i", "image.tar"], cwd=tmp_path, check=True, capture_output=True)
    subprocess.run([*docker, "rmi", f"rq-out:{kind}"], check=True, capture_output=True)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("type=registry,dest=x", "`image push` pushes it"),
        ("type=far,dest=x", "--output takes DIR"),
        ("type=local", "needs dest=DIR"),
        ("type=tar,dest=x,compression=zstd", "--output takes DIR"),
    ],
)
def test_an_output_that_can_not_be_meant_is_refused(
    rorqual_engine: RunningEngine, tmp_path: Path, words: str, told: str
) -> None:
    done = build(rorqual_engine, tmp_path, "-o", words, ".")
    assert done.returncode != 0 and told in done.stderr
