"""Builds on the embedded engine beside dockerd's classic builder: ten steps in two stages, fresh and from the cache."""

from __future__ import annotations

from itertools import count
from pathlib import Path

from tests.bench.daemon import add, both, seconds, turns
from tests.bench.table import Table
from tests.busybox import REFERENCE
from tests.engines import RunningEngine

DOCKERFILE = f"""\
FROM {REFERENCE} AS make
WORKDIR /src
COPY . .
RUN cat files/* > all && wc -c all
RUN sort all > sorted
FROM {REFERENCE}
RUN mkdir -p /srv && echo "user:x:9:9::/:/bin/sh" >> /etc/passwd
COPY --from=make /src/sorted /srv/
COPY files /srv/files/
RUN ls /srv/files | wc -l > /srv/count
"""
FILES, FILE_BYTES = 500, 4000


def write_context(folder: Path) -> None:
    (folder / "files").mkdir(parents=True)
    (folder / "Dockerfile").write_text(DOCKERFILE)
    for number in range(FILES):
        (folder / "files" / f"f{number}").write_text(f"{number:07d}\n" * (FILE_BYTES // 8))


def build_bench() -> Table:
    table = Table("Builds beside dockerd's classic builder", ("what", "on ours", "on dockerd", "ratio"))
    with both() as (ours, theirs, folder):
        write_context(folder / "context")
        changes = count()

        def on(engine: RunningEngine, *flags: str) -> float:
            words = ("env", "DOCKER_BUILDKIT=0", "docker", "build", "-q", *flags, "-t", "bench", "context")
            return seconds(engine, folder, *words)

        def changed(engine: RunningEngine) -> float:
            (folder / "context" / "files" / "f0").write_text(f"{next(changes)}\n")
            return on(engine)

        fresh = turns(lambda: on(ours, "--no-cache"), lambda: on(theirs, "--no-cache"))
        add(table, "a build of ten steps in two stages", fresh, 0.7)
        add(table, "the same again, from the cache", turns(lambda: on(ours), lambda: on(theirs)), 0.5)
        add(table, "the same with one file changed", turns(lambda: changed(ours), lambda: changed(theirs)), 0.7)
    return table


BENCHES = (build_bench,)
