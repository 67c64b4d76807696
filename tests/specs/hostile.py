"""A worker that loads files under a memory limit, for tests that must survive what they try.

python -m tests.specs.hostile FOLDER…       one line of JSON a folder: what came of its compose.yaml
"""

from __future__ import annotations

import json
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

MEMORY_BYTES = 500 << 20
LIMIT_SECONDS = 10


def outcome(folder: Path) -> dict[str, Any]:
    """`refused`: the codes of the errors; `accepted`; or `broke`: what escaped."""
    from specs.load import Request, load
    from specs.output import json_text, json_values

    started = time.monotonic()
    try:
        loaded = load(Request(str(folder), environment={"HOME": "/home/tester"}, project_name="p"))
        if loaded.report.failed:
            errors = [d.code for d in loaded.report if d.severity == "error"]
            found: dict[str, Any] = {"refused": errors, "messages": [str(d)[:300] for d in loaded.report]}
        else:
            assert loaded.values is not None
            json.loads(json_text(json_values(loaded.values)))
            found = {"accepted": True}
    except BaseException as error:
        found = {"broke": f"{type(error).__name__}: {error}"[:300]}
    return {**found, "seconds": round(time.monotonic() - started, 2)}


def limited() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))


def outcomes(folders: Sequence[Path]) -> list[dict[str, Any]]:
    """The outcome of each folder, in one worker; whoever takes over ten seconds or 500 MB is killed, and is told."""
    found: list[dict[str, Any]] = []
    left = list(folders)
    while left:
        answers = one_worker(left)
        found += answers
        left = left[len(answers) :]
        if left:
            found.append({"broke": f"killed: over {LIMIT_SECONDS} s or {MEMORY_BYTES >> 20} MB"})
            left = left[1:]
    return found


def one_worker(folders: Sequence[Path]) -> list[dict[str, Any]]:
    command = [sys.executable, "-m", "tests.specs.hostile", *map(str, folders)]
    done = subprocess.run(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2], check=False)
    return [json.loads(line) for line in done.stdout.decode("utf-8", "replace").splitlines()]


def main(folders: Sequence[str]) -> None:
    limited()
    for folder in folders:
        # the default action of SIGALRM is to end the process: nothing that Python does can outlive it
        signal.alarm(LIMIT_SECONDS)
        print(json.dumps(outcome(Path(folder))), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
