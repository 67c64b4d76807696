"""`up`, `down`, a no-op `up` and `ps` of 20 and 100 services, beside Docker Compose on the same Docker Engine."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.bench.specs import BARE, OURS
from tests.bench.table import Table, medians, run
from tests.engines import RunningEngine, running_docker, short_folder
from tests.workshop import compose_binary

ROUNDS = 5
SERVICE = """\
  s{i}:
    image: {image}
    command: sleep 1000
    init: true
    stop_grace_period: 1s
    environment: {{NAME: s{i}}}
"""
TOOLS = {"rorqual": OURS, "Docker Compose": compose_binary()}


def write(folder: Path, image: str, count: int) -> None:
    folder.mkdir(exist_ok=True)
    text = "".join(SERVICE.format(i=i, image=image) for i in range(count))
    (folder / "compose.yaml").write_text(f"services:\n{text}")


def up_and_down(engine: RunningEngine, folder: Path) -> dict[str, list[tuple[float, float]]]:
    """Seconds of (up, down), the tools in turn; the first turn is a warm-up."""
    environment = {**os.environ, "DOCKER_HOST": engine.host}
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in TOOLS}
    for _ in range(ROUNDS + 1):
        for name, tool in TOOLS.items():
            up = run([tool, "up", "-d"], folder, environment).seconds
            found[name].append((up, down(tool, folder, environment)))
    return {name: times[1:] for name, times in found.items()}


def down(tool: str, folder: Path, environment: Mapping[str, str]) -> float:
    """Seconds until nothing is left, failed attempts included: now and then Docker Compose loses a race with its own
    removals ("has active endpoints"), and is asked again as a person would.
    """
    begun = time.monotonic()
    for _ in range(5):
        try:
            run([tool, "down"], folder, environment)
        except RuntimeError:
            continue
        return time.monotonic() - begun
    raise RuntimeError(f"{tool} down did not come to an end")


def up_and_down_bench() -> Table:
    title = "up and down on one Docker Engine (down: until nothing is left, repeated attempts included)"
    table = Table(title, ("services", "verb", "rorqual", "Docker Compose", "ratio"))
    with short_folder() as top, running_docker(top) as engine:
        for count in (20, 100):
            folder = top / f"p{count}"
            write(folder, engine.image, count)
            times = up_and_down(engine, folder)
            for index, verb in enumerate(("up", "down")):
                add_row(table, count, verb, *([pair[index] for pair in times[tool]] for tool in TOOLS))
    return table


def add_row(table: Table, count: int, verb: str, ours: Sequence[float], theirs: Sequence[float]) -> None:
    ratio = statistics.median(a / b for a, b in zip(ours, theirs, strict=True))
    seconds = [f"{statistics.median(times):.2f} s" for times in (ours, theirs)]
    table.rows.append((str(count), verb, *seconds, f"{ratio:.2f}"))
    table.bars[f"{verb} of {count} services takes at most as long as Docker Compose ({ratio:.2f})"] = ratio <= 1.0


def standing_bench() -> Table:
    """With 100 services up: an `up` that has nothing to do, `drift`, and `ps`."""
    table = Table("100 services that stand", ("command", "rorqual", "over bare Python", "Docker Compose"))
    with short_folder() as top, running_docker(top) as engine:
        folder = top / "p"
        write(folder, engine.image, 100)
        os.environ["DOCKER_HOST"] = engine.host
        try:
            run([OURS, "up", "-d"], folder)
            ours, theirs, bare = medians((OURS, "up", "-d"), (TOOLS["Docker Compose"], "up", "-d"), BARE, folder=folder)
            over = ours.seconds - bare.seconds
            table.rows.append(("up, no-op", f"{ours.seconds:.2f} s", f"{over:.2f} s", f"{theirs.seconds:.2f} s"))
            table.bars[f"a no-op up takes under 0.4 s more than bare Python ({over:.2f} s)"] = over < 0.4
            drift, bare = medians((OURS, "drift"), BARE, folder=folder)
            over = drift.seconds - bare.seconds
            table.rows.append(("drift", f"{drift.seconds:.2f} s", f"{over:.2f} s", "has none"))
            table.bars[f"drift takes at most 0.5 s more than bare Python ({over:.2f} s)"] = over <= 0.5
            ours, theirs, bare = medians((OURS, "ps"), (TOOLS["Docker Compose"], "ps"), BARE, folder=folder)
            over, ratio = ours.seconds - bare.seconds, ours.seconds / theirs.seconds
            table.rows.append(("ps", f"{ours.seconds:.2f} s", f"{over:.2f} s", f"{theirs.seconds:.2f} s"))
            table.bars[f"ps takes at most twice as long as Docker Compose ({ratio:.2f})"] = ratio <= 2.0
            run([OURS, "down"], folder)
        finally:
            del os.environ["DOCKER_HOST"]
    return table


BENCHES = (up_and_down_bench, standing_bench)
