"""The differential runner: Docker Compose's `config` against ours, over cases, strictly compared.

    python -m tests.specs.oracle [--only TEXT] [--sample N] [--conformance | --grown FIRST:COUNT [--kind KIND]]
        [--hash] [--diffs N]

Docker Compose's answers are kept under .cache/, keyed by the case's content; ours are computed anew.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass, field
from difflib import unified_diff
from pathlib import Path
from typing import Any

from tests.specs.cases import Case, corpus
from tests.specs.cases.conformance import conformance, mutations
from tests.specs.cases.grown import KINDS, grown

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache" / "oracle"
BASE_ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/home/tester", "KEY": "k"}
LIMIT_SECONDS = 10
# Answers nest as deeply as the files do, and travel between processes.
sys.setrecursionlimit(10_000)
# What Docker Compose prints when it falls over its own feet: no answer to hold anyone to.
FAULTS = ("panic:", "json: unsupported type", "json: error calling MarshalJSON", "runtime error")


@dataclass(frozen=True)
class Answer:
    """What one tool made of one case: a project, or a refusal with its words; `broken` is a crash or a hang."""

    accepted: bool
    project: Any = None
    message: str = ""
    broken: bool = False
    hashes: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Verdict:
    case: Case
    oracle: Answer
    ours: Answer

    @property
    def counts(self) -> bool:
        return not self.oracle.broken

    @property
    def agrees(self) -> bool:
        if self.oracle.accepted != self.ours.accepted or self.ours.broken:
            return False
        return not self.oracle.accepted or canonical(self.oracle.project) == canonical(self.ours.project)

    @property
    def hashes_agree(self) -> bool:
        return self.oracle.hashes == self.ours.hashes


def canonical(value: Any) -> str:
    """JSON with its types and the order of lists; the order of keys means nothing."""
    return json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False)


def oracle_binary() -> Path:
    """The binary itself: the console script of the package exits 0 whatever happens."""
    import compose  # type: ignore[import-untyped]

    return Path(compose.__file__).parent / "docker-compose"


def key_of(case: Case) -> str:
    parts: list[object] = ["2.40.3", str(ROOT), case.argv, sorted(case.env.items()), case.cwd]
    if case.place:
        siblings = sorted(p for p in case.place.rglob("*") if p.is_file() and p.stat().st_size < 1 << 16)
        parts += [str(case.place), [(str(p), p.read_bytes()) for p in siblings]]
    parts.append(sorted(case.files.items()))
    return hashlib.sha256(repr(parts).encode("utf-8", "surrogateescape")).hexdigest()[:24]


def folder_of(case: Case) -> Path:
    """Where the case runs: paths are part of the answers, so both tools run in the same folder."""
    if case.place:
        return case.place
    folder = CACHE / "cases" / key_of(case)
    if not folder.exists():
        for name, body in case.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(body if isinstance(body, bytes) else body.encode("utf-8", "surrogateescape"))
        (folder / case.cwd).mkdir(parents=True, exist_ok=True)
    return folder / case.cwd


def ask_oracle(case: Case, hashes: bool = False) -> Answer:
    """Docker Compose's answer, from the cache where it is known."""
    folder, kept = folder_of(case), CACHE / "answers" / f"{key_of(case)}.json"
    known = json.loads(kept.read_text()) if kept.exists() else None
    if known is None:
        code, out, err = run_oracle(case, folder, "--format", "json")
        known = {"accepted": code == 0, "project": json.loads(out) if code == 0 else None, "message": err}
        known["broken"] = code is None
    if hashes and known["accepted"] and "hashes" not in known:
        _, out, _ = run_oracle(case, folder, "--hash", "*")
        known["hashes"] = dict(line.split(" ", 1) for line in out.splitlines() if " " in line)
    kept.parent.mkdir(parents=True, exist_ok=True)
    aside = kept.with_suffix(f".{os.getpid()}-{id(case)}")
    aside.write_text(json.dumps(known))
    aside.rename(kept)
    if not hashes:
        known.pop("hashes", None)
    known["broken"] = known["broken"] or any(fault in known["message"] for fault in FAULTS)
    return Answer(**known)


def run_oracle(case: Case, folder: Path, *flags: str) -> tuple[int | None, str, str]:
    command = [str(oracle_binary()), *case.argv, "config", *flags]
    try:
        done = subprocess.run(
            command, cwd=folder, env={**BASE_ENVIRONMENT, **case.env}, capture_output=True, timeout=LIMIT_SECONDS
        )
    except subprocess.TimeoutExpired:
        return None, "", "no answer in time"
    return done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")


def ask_ours(case: Case, hashes: bool = False) -> Answer:
    """Our answer, in this process, under a time limit; a traceback is `broken`."""
    from tests.specs.ours import resolve

    folder = folder_of(case)
    signal.signal(signal.SIGALRM, too_late)
    signal.alarm(LIMIT_SECONDS)
    try:
        os.chdir(folder)
        project, messages, ours = resolve(case.argv, {**BASE_ENVIRONMENT, **case.env}, folder, hashes)
    except Exception as error:
        return Answer(False, message=f"{type(error).__name__}: {error}", broken=True)
    finally:
        signal.alarm(0)
    return Answer(project is not None, project, messages, hashes=ours)


def too_late(signum: int, frame: object) -> None:
    raise TimeoutError(f"no answer in {LIMIT_SECONDS} s")


def compare(cases: Sequence[Case], hashes: bool = False) -> list[Verdict]:
    """Both answers to every case, in parallel."""
    workers = os.cpu_count() or 2
    with ThreadPoolExecutor(workers) as threads:
        theirs = list(threads.map(lambda case: ask_oracle(case, hashes), cases))
    with ProcessPoolExecutor(workers) as processes:
        ours = list(processes.map(ask_ours, cases, [hashes] * len(cases), chunksize=16))
    return [Verdict(*row) for row in zip(cases, theirs, ours, strict=True)]


@dataclass(frozen=True)
class Rates:
    """The three bars, in percent; None where nothing was there to measure."""

    accepted_equal: float | None
    refused: float | None
    hashes_equal: float | None

    @staticmethod
    def of(verdicts: Iterable[Verdict]) -> Rates:
        counted = [v for v in verdicts if v.counts]
        accepted = [v for v in counted if v.oracle.accepted]
        refused = [v for v in counted if not v.oracle.accepted]
        hashed = [v for v in accepted if v.oracle.hashes]
        return Rates(
            percent(accepted, lambda v: v.agrees),
            percent(refused, lambda v: v.agrees),
            percent(hashed, lambda v: v.hashes_agree),
        )

    def __str__(self) -> str:
        words = ("accepted and equal", "refused", "hash equal")
        values = (self.accepted_equal, self.refused, self.hashes_equal)
        return ", ".join(f"{w} {v:.2f} %" for w, v in zip(words, values, strict=True) if v is not None)


def percent(verdicts: list[Verdict], good: Callable[[Verdict], bool]) -> float | None:
    return 100 * sum(map(good, verdicts)) / len(verdicts) if verdicts else None


def difference(verdict: Verdict) -> str:
    """The disagreement as a person reads it: both refusals or both projects, as a small unified diff."""
    oracle, ours = verdict.oracle, verdict.ours
    if oracle.accepted and ours.accepted:
        lines = unified_diff(
            canonical(oracle.project).splitlines(), canonical(ours.project).splitlines(), "oracle", "ours", "", "", 2
        )
        return "\n".join(line for line in lines if not line.startswith("@@"))
    told = "accepts" if oracle.accepted else f"refuses: {oracle.message.strip()[-300:]}"
    mine = "accepts" if ours.accepted else f"refuses: {ours.message.strip()[:300]}"
    return f"oracle {told}\nours   {'BREAKS: ' if ours.broken else ''}{mine}"


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="only cases whose id holds this text")
    parser.add_argument("--whole", action="store_true", help="every value at every place: twice the cases")
    parser.add_argument("--sample", type=int, help="a seeded sample of this many")
    parser.add_argument("--conformance", action="store_true", help="the files of ../shared/conformance, and mutations")
    parser.add_argument("--grown", help="FIRST:COUNT: projects grown from these seeds")
    parser.add_argument("--kind", default="grown", choices=KINDS, help="what is grown")
    parser.add_argument("--hash", action="store_true", help="config hashes too")
    parser.add_argument("--diffs", type=int, default=20, help="how many differences to print")
    parser.add_argument("--ask-only", action="store_true", help="only fill the cache of Docker Compose's answers")
    options = parser.parse_args(arguments)
    cases = list(choose(options))
    started = time.monotonic()
    if options.ask_only:
        with ThreadPoolExecutor(os.cpu_count()) as threads:
            theirs = list(threads.map(lambda case: ask_oracle(case, options.hash), cases))
        print(
            f"{len(theirs)} cases: {sum(a.accepted for a in theirs)} accepted, {sum(a.broken for a in theirs)} broken"
        )
        return 0
    verdicts = compare(cases, options.hash)
    bad = [v for v in verdicts if v.counts and not (v.agrees and (not options.hash or v.hashes_agree))]
    for verdict in bad[: options.diffs]:
        print(f"== {verdict.case.id}\n{difference(verdict)}")
    print(f"{len(verdicts)} cases in {time.monotonic() - started:.0f} s: {Rates.of(verdicts)}; {len(bad)} differ")
    return 1 if bad else 0


def choose(options: argparse.Namespace) -> Iterator[Case]:
    found: Iterable[Case]
    if options.grown:
        first, _, count = options.grown.partition(":")
        found = grown(int(first), int(count), options.kind)
    else:
        found = (*conformance(), *mutations()) if options.conformance else corpus(whole=options.whole)
    pool = [case for case in found if options.only in case.id]
    few = options.sample is not None and options.sample < len(pool)
    yield from random.Random(7).sample(pool, options.sample) if few else pool


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
