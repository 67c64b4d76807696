"""Pulls and pushes of an image of 200 MB in 20,000 files, over loopback from our registry; and the registry itself.

Each engine in a network namespace of its own with a registry of its own beside it, over the same content. Every round
has an image of its own: deleting between rounds would slow the disk for whoever comes next.
"""

from __future__ import annotations

import io
import os
import random
import shutil
import statistics
import subprocess
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from hashlib import sha256
from json import dumps
from pathlib import Path

from tests.bench.daemon import add, seconds
from tests.bench.table import Table, run
from tests.engines import TEST_REGISTRY, RunningEngine, running_docker, running_podman, running_rorqual, short_folder
from tests.registries import digest_of, running_registry, with_query

ROUNDS = 3
LAYERS, FILES, FILE_BYTES = 4, 5_000, 10_000
PORT = int(TEST_REGISTRY.partition(":")[2])


def archive(path: Path, name: str, seed: int) -> None:
    """A docker archive of LAYERS layers whose content shrinks by half."""
    contents = [layer(seed * 100 + number) for number in range(LAYERS)]
    diff_ids = [f"sha256:{sha256(content).hexdigest()}" for content in contents]
    platform = {"architecture": "amd64", "os": "linux"}
    config = dumps({**platform, "config": {}, "rootfs": {"type": "layers", "diff_ids": diff_ids}}).encode()
    files = {"config.json": config, **{f"{number}.tar": content for number, content in enumerate(contents)}}
    manifest = [{"Config": "config.json", "RepoTags": [name], "Layers": list(files)[1:]}]
    with tarfile.open(path, "w") as out:
        for member, data in {**files, "manifest.json": dumps(manifest).encode()}.items():
            add_member(out, member, data)


def layer(seed: int) -> bytes:
    chance, buffer = random.Random(seed), io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as out:
        for number in range(FILES):
            half = chance.randbytes(FILE_BYTES // 2)
            add_member(out, f"l{seed}/d{number % 100}/f{number}", half + b"text " * (FILE_BYTES // 10))
    return buffer.getvalue()


def add_member(out: tarfile.TarFile, name: str, data: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(data)
    out.addfile(entry, io.BytesIO(data))


@contextmanager
def beside(engines: Sequence[RunningEngine], root: Path) -> Iterator[None]:
    """A registry on loopback beside each engine, all with what lies in `root`."""
    with ExitStack() as stack:
        for number, engine in enumerate(engines):
            own = root.with_name(f"{root.name}-{number}")
            shutil.copytree(root, own, copy_function=link_blob)
            stack.enter_context(running_registry(own, port=PORT, netns=engine.pid))
        yield


def link_blob(source: str, target: str) -> None:
    """Blobs are never written again; the records and the lock are each registry's own."""
    (os.link if "/blobs/" in source else shutil.copy2)(source, target)


@contextmanager
def three() -> Iterator[tuple[list[RunningEngine], Path]]:
    """Ours, dockerd, Podman; and a folder."""
    with short_folder() as top, ExitStack() as stack:
        folders = [top / each for each in ("o", "d", "p", "work")]
        for folder in folders:
            folder.mkdir()
        ours = stack.enter_context(running_rorqual(folders[0]))
        docker = stack.enter_context(running_docker(folders[1]))
        yield [ours, docker, stack.enter_context(running_podman(folders[2]))], folders[3]


def fill(root: Path, folder: Path) -> None:
    """The rounds' images, in the registry."""
    for number in range(ROUNDS + 1):
        path = folder / "image.tar"
        archive(path, f"large:{number}", number)
        with running_registry(root) as registry:
            where = f"docker://{registry.address}/large:{number}"
            command = ["skopeo", "copy", "-q", "--dest-tls-verify=false", f"docker-archive:{path}", where]
            subprocess.run(command, check=True)
        path.unlink()


def pull_bench() -> Table:
    table = Table(
        "Pulling 200 MB in 20,000 files from a registry on loopback", ("what", "on ours", "on theirs", "ratio")
    )
    with three() as (engines, folder):
        fill(folder / "root", folder)
        with beside(engines, folder / "root"):
            rounds = [
                [
                    seconds(engine, folder, "docker", "pull", "-q", f"{TEST_REGISTRY}/large:{number}")
                    for engine in engines
                ]
                for number in range(ROUNDS + 1)
            ][1:]
    add_ratio(table, "docker pull, ours against dockerd", rounds, 1, 0.5)
    add_ratio(table, "docker pull, ours against Podman", rounds, 2, 0.6)
    return table


def add_ratio(table: Table, what: str, rounds: Sequence[Sequence[float]], other: int, bar: float) -> None:
    ours, theirs = (statistics.median(one[index] for one in rounds) for index in (0, other))
    add(table, what, (ours, theirs, statistics.median(one[0] / one[other] for one in rounds)), bar)


def push_bench() -> Table:
    table = Table("Pushing 200 MB in 20,000 files to a registry on loopback", ("what", "on ours", "on theirs", "ratio"))
    with three() as (engines, folder):
        (folder / "root").mkdir()
        rounds = []
        with beside(engines[:2], folder / "root"):
            for number in range(ROUNDS + 1):
                path, name = folder / "image.tar", f"{TEST_REGISTRY}/pushed:{number}"
                archive(path, name, 50 + number)
                for engine in engines[:2]:
                    seconds(engine, folder, "docker", "load", "-q", "-i", str(path))
                rounds.append([seconds(engine, folder, "docker", "push", "-q", name) for engine in engines[:2]])
                path.unlink()
    add_ratio(table, "docker push, ours against dockerd", rounds[1:], 1, 0.8)
    return table


def registry_bench() -> Table:
    """A blob of 1 GB, pushed and pulled, and what memory that takes."""
    table = Table("The registry", ("what", "speed", "bar"))
    with short_folder() as folder, running_registry(folder) as registry:
        content = os.urandom(1 << 20) * 1024
        path = folder / "blob"
        path.write_bytes(content)
        digest = digest_of(content)
        location = f"http://{registry.address}{with_query(registry.begin('a'), f'digest={digest}')}"
        pushed = run(["curl", "-sf", "-T", str(path), "-o", "/dev/null", location], folder).seconds
        command = ["curl", "-sf", "-o", "/dev/null", f"http://{registry.address}/v2/a/blobs/{digest}"]
        pulled = statistics.median(run(command, folder).seconds for _ in range(5))
        assert registry.process is not None
        status = Path(f"/proc/{registry.process.pid}/status").read_text()
        peak = int(status.partition("VmHWM:")[2].split()[0]) / 1024
    speeds = {"pushed": len(content) / pushed / 1e6, "pulled": len(content) / pulled / 1e6}
    for what, speed in speeds.items():
        table.rows.append((f"1 GB {what}", f"{speed:.0f} MB/s", "300 MB/s" if what == "pulled" else ""))
    table.rows.append(("peak memory", f"{peak:.0f} MiB", "100 MiB"))
    table.bars[f"served at 300 MB/s or more ({speeds['pulled']:.0f})"] = speeds["pulled"] >= 300
    table.bars[f"memory stays flat: at most 100 MiB ({peak:.0f})"] = peak <= 100
    return table


BENCHES = (pull_bench, push_bench, registry_bench)
