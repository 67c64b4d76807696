"""Run the benches and print their tables: python -m tests.bench [NAME…] [--out FILE]. Exit 1 when a bar isn't held."""

from __future__ import annotations

import importlib
import pkgutil
import sys
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from pathlib import Path

import tests.bench
from tests.bench.table import Table


def benches() -> Iterator[tuple[str, Callable[[], Table]]]:
    """Every function in a BENCHES of a module of this folder, as `module.name`."""
    for module in sorted(each.name for each in pkgutil.iter_modules(tests.bench.__path__)):
        if not module.startswith("__"):
            for bench in getattr(importlib.import_module(f"tests.bench.{module}"), "BENCHES", ()):
                yield f"{module}.{bench.__name__.removesuffix('_bench')}", bench


def main() -> int:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="only benches whose name holds one of these")
    parser.add_argument("--out", type=Path, help="write the tables here too")
    options = parser.parse_args()
    tables = []
    for name, bench in benches():
        if not options.names or any(wanted in name for wanted in options.names):
            print(f"… {name}", file=sys.stderr)
            tables.append(bench())
            print(tables[-1], flush=True)
    if options.out:
        options.out.write_text("\n".join(map(str, tables)), encoding="utf-8")
    return 0 if all(held for table in tables for held in table.bars.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
