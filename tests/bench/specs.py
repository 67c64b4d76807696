"""`config` from one service to ten thousand, alone and beside Docker Compose; hostile files; start-up."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.bench.table import Table, medians, run
from tests.specs.oracle import oracle_binary
from tests.specs.test_hostile import TEXTS

OURS = str(Path(sys.executable).with_name("rorqual"))
OURS_CONFIG = (OURS, "config", "--format", "json")
THEIR_CONFIG = (str(oracle_binary()), "config", "--format", "json")
BARE = (sys.executable, "-c", "pass")
RICH = """\
  s{i}:
    image: registry.example.com/team/app{few}:1.{i}
    command: ["serve", "--port", "{port}"]
    environment: {{NAME: s{i}, LEVEL: "${{LEVEL:-info}}", URL: "http://s{other}:80/?q=${{Q:-a}}"}}
    ports: ["{port}:80"]
    volumes: ["data{few}:/data", "./conf:/etc/app:ro"]
    labels: {{tier: web, index: "{i}"}}
    networks: [front, back]
    restart: unless-stopped
    healthcheck: {{test: [CMD, check], interval: 10s, timeout: 2s, retries: 3}}
    deploy: {{resources: {{limits: {{cpus: "0.5", memory: 256M}}}}}}
"""


def rich(count: int, *, chained: bool = False) -> str:
    """A file of `count` services of eleven keys each; `chained`: each depends on the one before."""
    lines = ["services:\n"]
    for i in range(count):
        lines.append(RICH.format(i=i, few=i % 20, other=i * 7 % count, port=10000 + i % 50000))
        lines.append(f"    depends_on: [s{i - 1}]\n" if chained and i else "")
    return (
        "".join(lines) + "networks: {front: , back: }\nvolumes: {" + ", ".join(f"data{i}: " for i in range(20)) + "}\n"
    )


@contextmanager
def project(text: str | bytes) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "compose.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
        yield folder


def size_bench() -> Table:
    table = Table("config by size", ("services", "rorqual", "per service", "peak memory", "Docker Compose", "ratio"))
    per_service: dict[int, float] = {}
    for count, rounds in ((100, 5), (1000, 5), (10_000, 3)):
        with project(rich(count)) as folder:
            ours, theirs, bare = medians(OURS_CONFIG, THEIR_CONFIG, BARE, folder=folder, rounds=rounds)
        ratio = ours.seconds / theirs.seconds
        per_service[count] = (ours.seconds - bare.seconds) / count
        table.rows.append(
            (
                f"{count:,}",
                f"{ours.seconds:.2f} s",
                f"{1000 * per_service[count]:.2f} ms",
                f"{ours.peak_mib:.0f} MiB",
                f"{theirs.seconds:.2f} s",
                f"{ratio:.2f}",
            )
        )
        if count == 1000:
            table.bars["1,000 rich services: at most 1.5 × Docker Compose"] = ratio <= 1.5
            table.bars["memory under 300 MB at 1,000"] = ours.peak_mib < 300
    growth = per_service[10_000] / per_service[1000]
    table.bars[f"growth 1,000 → 10,000 is linear: {growth:.2f} × per service, at most 1.3"] = growth <= 1.3
    return table


def chain_bench() -> Table:
    table = Table("config of a depends_on chain", ("services", "rorqual", "Docker Compose", "ratio"))
    with project(rich(1000, chained=True)) as folder:
        ours, theirs = medians(OURS_CONFIG, THEIR_CONFIG, folder=folder)
    ratio = ours.seconds / theirs.seconds
    table.rows.append(("1,000", f"{ours.seconds:.2f} s", f"{theirs.seconds:.2f} s", f"{ratio:.2f}"))
    table.bars["a chain of 1,000: at most 0.5 × Docker Compose"] = ratio <= 0.5
    return table


def startup_bench() -> Table:
    table = Table("start-up, one service", ("command", "seconds", "over bare Python"))
    commands = {"config -q": (OURS, "config", "-q"), "validate": (OURS, "validate"), "--help": (OURS, "--help")}
    with project("services: {a: {image: x}}\n") as folder:
        bare, *found = medians(BARE, *commands.values(), folder=folder, rounds=9)
    table.rows.append(("python -c pass", f"{bare.seconds:.3f}", ""))
    for name, measured in zip(commands, found, strict=True):
        over = measured.seconds - bare.seconds
        table.rows.append((name, f"{measured.seconds:.3f}", f"{over:.3f}"))
        if name == "config -q":
            table.bars["config -q within 0.30 s of bare Python"] = over <= 0.30
    return table


def hostile_bench() -> Table:
    table = Table("hostile files under 1 MB", ("file", "seconds", "peak memory"))
    for name, (text, _) in TEXTS.items():
        with project(text) as folder:
            measured = run((sys.executable, "-c", REFUSES), folder)
        table.rows.append((name, f"{measured.seconds:.2f}", f"{measured.peak_mib:.0f} MiB"))
        if measured.seconds > 2 or measured.peak_mib > 500:
            table.bars[f"{name}: within 2 s and 500 MB"] = False
    table.bars.setdefault("every one within 2 s and 500 MB", not table.bars)
    return table


REFUSES = "import sys; from engine.cli.main import run; sys.exit(run(['validate', '-q']) == 0)"
BENCHES = (size_bench, chain_bench, startup_bench, hostile_bench)
