"""The embedded engine beside dockerd: containers started and stopped, an image loaded, memory; each engine in a network
namespace of its own, the two in turn.
"""

from __future__ import annotations

import io
import os
import random
import statistics
import tarfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from json import dumps
from pathlib import Path

from tests.bench.specs import OURS
from tests.bench.table import Table, run
from tests.engines import RunningEngine, running_docker, running_rorqual, short_folder
from tests.workshop import compose_binary

ROUNDS = 5
# Each takes 400 MB of the disk, on both.
LOADS = 3
SERVICE = """\
  s{i}:
    image: {image}
    command: sleep 1000
    init: true
    healthcheck: {{test: [CMD, "true"], interval: 5s}}
"""
FILES, FILE_BYTES = 20_000, 10_000


@contextmanager
def both() -> Iterator[tuple[RunningEngine, RunningEngine, Path]]:
    with short_folder() as top:
        folders = [top / each for each in ("ours", "theirs", "work")]
        for folder in folders:
            folder.mkdir()
        with running_rorqual(folders[0]) as ours, running_docker(folders[1]) as theirs:
            yield ours, theirs, folders[2]


def seconds(engine: RunningEngine, folder: Path, *command: str) -> float:
    return run(command, folder, {**os.environ, "DOCKER_HOST": engine.host}).seconds


def turns(ours: Callable[[], float], theirs: Callable[[], float]) -> tuple[float, float, float]:
    """Both in turn, after a warm-up."""
    return summary([(ours(), theirs()) for _ in range(ROUNDS + 1)][1:])


def summary(pairs: Sequence[tuple[float, float]]) -> tuple[float, float, float]:
    """Medians of both, and the median of the ratios turn by turn."""
    return (
        statistics.median(a for a, _ in pairs),
        statistics.median(b for _, b in pairs),
        statistics.median(a / b for a, b in pairs),
    )


def containers_bench() -> Table:
    table = Table("The embedded engine beside dockerd", ("what", "on ours", "on dockerd", "ratio"))
    compose = compose_binary()
    with both() as (ours, theirs, folder):
        for count in (20, 100):
            text = "".join(SERVICE.format(i=i, image=ours.image) for i in range(count))
            (folder / "compose.yaml").write_text(f"services:\n{text}")
            rounds = [up_and_down(ours, OURS, theirs, compose, folder) for _ in range(ROUNDS + 1)][1:]
            for verb, index in (("up", 0), ("down", 1)):
                pairs = [(ours_times[index], their_times[index]) for ours_times, their_times in rounds]
                add(table, f"{verb} of {count}, rorqual against Docker Compose", summary(pairs), 1 / 8)
        add(table, "up of 100, Docker Compose on both", compose_on_both(ours, theirs, folder), 1 / 2)
        words = ("docker", "run", "--rm", ours.image, "true")
        one = turns(lambda: seconds(ours, folder, *words), lambda: seconds(theirs, folder, *words))
        add(table, "docker run --rm true", one, 1 / 2)
    return table


Times = tuple[float, float]


def up_and_down(
    ours: RunningEngine, our_tool: str, theirs: RunningEngine, their_tool: str, folder: Path
) -> tuple[Times, Times]:
    """Seconds of (up, down) on each."""
    both = ((ours, our_tool), (theirs, their_tool))
    one, other = ((seconds(e, folder, t, "up", "-d"), seconds(e, folder, t, "down")) for e, t in both)
    return one, other


def compose_on_both(ours: RunningEngine, theirs: RunningEngine, folder: Path) -> tuple[float, float, float]:
    def on(engine: RunningEngine) -> float:
        up = seconds(engine, folder, compose_binary(), "up", "-d")
        seconds(engine, folder, OURS, "down")
        return up

    return turns(lambda: on(ours), lambda: on(theirs))


def add(table: Table, what: str, measured: tuple[float, float, float], bar: float) -> None:
    ours, theirs, share = measured
    table.rows.append((what, f"{ours:.2f} s", f"{theirs:.2f} s", f"{share:.2f}"))
    table.bars[f"{what}: ratio at most {bar:.2f} ({share:.2f})"] = share <= bar


def load_bench() -> Table:
    """`docker load` of an image of 200 MB in 20,000 files, another one each round: nothing is deleted in between.

    After mass deletes ext4 takes minutes to be as fast as before: with them the bench never ended.
    """
    table = Table("Loading a large image", ("what", "on ours", "on dockerd", "ratio"))
    pairs = []
    with both() as (ours, theirs, folder):
        for number in range(LOADS + 1):
            archive = folder / f"large{number}.tar"
            write_image(archive, number)
            words = ("docker", "load", "-q", "-i", str(archive))
            pairs.append((seconds(ours, folder, *words), seconds(theirs, folder, *words)))
    add(table, "docker load, 200 MB", summary(pairs[1:]), 1 / 2)
    return table


def write_image(path: Path, number: int) -> None:
    """A docker archive with one layer; the content can't be compressed away, and is another for each number."""
    random_, buffer = random.Random(number), io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as layer:
        for number in range(FILES):
            entry = tarfile.TarInfo(f"d{number % 100}/f{number}")
            entry.size = FILE_BYTES
            layer.addfile(entry, io.BytesIO(random_.randbytes(FILE_BYTES)))
    content = buffer.getvalue()
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{sha256(content).hexdigest()}"]},
    }
    text = dumps(config).encode()
    name = f"{sha256(text).hexdigest()}.json"
    manifest = dumps([{"Config": name, "RepoTags": [f"large:{number}"], "Layers": ["layer.tar"]}]).encode()
    with tarfile.open(path, "w") as archive:
        for member, data in (("layer.tar", content), (name, text), ("manifest.json", manifest)):
            entry = tarfile.TarInfo(member)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))


BENCHES = (containers_bench, load_bench)
