"""Docker Compose's `config` and ours agree: over a sample of the corpus, and over real files where they are at hand.

The whole corpus runs by `python -m tests.specs.oracle`.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from specs.load import load
from specs.models import Project
from specs.models.construct import taken_apart
from tests.specs.cases import Case, corpus
from tests.specs.cases.conformance import conformance, mutations
from tests.specs.cases.grown import KINDS, grown
from tests.specs.oracle import BASE_ENVIRONMENT, Rates, Verdict, ask_oracle, canonical, compare, difference, folder_of
from tests.specs.ours import request_of

SEED = 11
SAMPLE = 900
MUTATED = 250
# Projects grown from a seed; `make chaos` grows many more.
GROWN = 5000 if os.environ.get("RORQUAL_CHAOS") else 150
# Of each kind that looks at one side of the language alone.
SIDES = 1500 if os.environ.get("RORQUAL_CHAOS") else 30
ACCEPTED_EQUAL, REFUSED, HASHES = 99.0, 98.0, 95.0


def sample(cases: Sequence[Case], count: int) -> list[Case]:
    return random.Random(SEED).sample(list(cases), min(count, len(cases)))


def assert_bars(verdicts: list[Verdict]) -> None:
    rates = Rates.of(verdicts)
    told = "\n".join(f"== {v.case.id}\n{difference(v)}" for v in verdicts if v.counts and not v.agrees)
    assert [v.case.id for v in verdicts if v.ours.broken] == []
    assert rates.accepted_equal is None or rates.accepted_equal >= ACCEPTED_EQUAL, f"{rates}\n{told}"
    assert rates.refused is None or rates.refused >= REFUSED, f"{rates}\n{told}"


def test_a_sample_of_the_corpus_agrees() -> None:
    assert_bars(compare(sample(list(corpus()), SAMPLE)))


def test_grown_projects_agree_and_so_do_their_hashes() -> None:
    verdicts = compare(list(grown(0, GROWN)), hashes=True)
    assert_bars(verdicts)
    hashes = Rates.of(verdicts).hashes_equal
    assert hashes is not None and hashes >= HASHES
    accepted = sum(verdict.oracle.accepted for verdict in verdicts)
    assert GROWN // 3 < accepted < GROWN, f"{accepted} of {GROWN} are accepted"


@pytest.mark.parametrize("kind", sorted(KINDS.keys() - {"grown"}))
def test_env_files_templates_layers_and_folders_agree_and_so_do_their_hashes(kind: str) -> None:
    verdicts = compare(list(grown(0, SIDES, kind)), hashes=True)
    told = "\n".join(f"== {v.case.id}\n{difference(v)}" for v in verdicts if v.counts and not v.agrees)
    assert [v.case.id for v in verdicts if v.counts and not (v.agrees and v.hashes_agree)] == [], told


@pytest.mark.skipif(not list(conformance()), reason="no folder of real files beside the checkout")
def test_real_files_agree_and_so_do_their_hashes() -> None:
    verdicts = compare(list(conformance()), hashes=True)
    assert_bars(verdicts)
    hashes = Rates.of(verdicts).hashes_equal
    assert hashes is not None and hashes >= HASHES


@pytest.mark.skipif(not list(conformance()), reason="no folder of real files beside the checkout")
def test_real_files_with_a_fault_in_them_agree() -> None:
    assert_bars(compare(sample(list(mutations()), MUTATED)))


def test_the_command_prints_what_the_function_returns() -> None:
    """The runner resolves in this process for speed; the real command line must say the same."""
    accepted = [case for case in sample(list(corpus()), 60) if ask_oracle(case).accepted][:12]
    assert len(accepted) == 12
    for verdict in compare(accepted):
        folder = folder_of(verdict.case)
        command = [sys.executable, "-m", "engine.cli.main", *verdict.case.argv, "config", "--format", "json"]
        done = subprocess.run(
            command,
            cwd=folder,
            env={**BASE_ENVIRONMENT, "PYTHONPATH": str(Path(__file__).parents[2]), **verdict.case.env},
            capture_output=True,
            timeout=20,
        )
        assert done.returncode == 0, done.stderr
        # the command's own variable is visible to the files, as every variable is
        assert canonical(json.loads(done.stdout)) == canonical(verdict.ours.project), verdict.case.id


def test_the_corpus_is_large_and_no_case_stands_twice() -> None:
    ids = Counter(case.id for case in corpus())
    assert len(ids) > 10_000
    assert [id for id, times in ids.items() if times > 1] == []


def test_the_corpus_is_of_both_kinds() -> None:
    answers = [ask_oracle(case) for case in sample(list(corpus()), 200)]
    accepted = sum(answer.accepted for answer in answers)
    assert 50 < accepted < 150


def test_every_accepted_project_becomes_models() -> None:
    """Models are built late, for the commands that converge, and unvalidated: they must be what validation makes."""
    for case in (*sample(list(corpus()), SAMPLE), *conformance()):
        loaded = load(request_of(case.argv, {**BASE_ENVIRONMENT, **case.env}, folder_of(case)))
        if not loaded.report.failed:
            assert loaded.project is not None, case.id
            dumped = loaded.project.model_dump(by_alias=True, exclude_unset=True)
            assert taken_apart(loaded.project) == dumped
            assert Project.model_validate(dumped) == loaded.project, case.id
