"""Images on their way: a first-time Docker user's walk, verbatim; and an image made on one machine, run on another."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engines import TEST_REGISTRY, RunningEngine, running_rorqual, short_folder
from tests.registries import Registry, running_registry
from tests.scenarios.commands import ROOT, Workplace, succeeded

pytestmark = [pytest.mark.root, pytest.mark.slow]
PORT = int(TEST_REGISTRY.partition(":")[2])


@pytest.fixture
def registry(rorqual_engine: RunningEngine, tmp_path: Path) -> Iterator[Registry]:
    """Ours, on loopback where the engine is."""
    with running_registry(tmp_path, port=PORT, netns=rorqual_engine.pid) as found:
        yield found


def test_the_walk_of_a_first_time_docker_user(
    rorqual_engine: RunningEngine, registry: Registry, tmp_path: Path
) -> None:
    place = Workplace(tmp_path, rorqual_engine)
    name = f"{TEST_REGISTRY}/tools/busybox"
    succeeded(place.docker("tag", rorqual_engine.image, f"{name}:latest"))
    pushed = succeeded(place.docker("push", f"{name}:latest")).out
    assert pushed.startswith(f"The push refers to repository [{name}]")
    assert re.search(r"latest: digest: sha256:[0-9a-f]{64} size: \d+\n", pushed)
    succeeded(place.docker("rmi", f"{name}:latest"))

    found = succeeded(place.docker("search", f"{TEST_REGISTRY}/busybox")).out
    assert "tools/busybox" in found
    pulled = succeeded(place.docker("pull", name)).out
    assert pulled.startswith("Using default tag: latest\nlatest: Pulling from tools/busybox\n")
    assert f"Status: Downloaded newer image for {name}:latest\n{name}:latest\n" in pulled
    assert re.search(rf"^{name} +latest ", succeeded(place.docker("images")).out, re.MULTILINE)
    typed = f"docker run -it --name walk {name} sh -c 'tty && echo seen; sleep 1000'"
    at_terminal = f'script -qec "{typed}" /dev/null > walk.txt 2>&1 < /dev/null &'
    wait = "for _ in $(seq 200); do grep -q seen walk.txt && exit; sleep 0.1; done; cat walk.txt; exit 1"
    succeeded(place.run("sh", "-c", f"{at_terminal} {wait}"))
    assert "/dev/pts/" in (tmp_path / "walk.txt").read_text()
    listed = succeeded(place.docker("ps")).out
    assert re.search(rf"{name} .* Up .* walk", listed)
    succeeded(place.docker("rm", "-f", "walk"))
    succeeded(place.docker("rmi", name))


def test_the_same_walk_with_our_own_words(rorqual_engine: RunningEngine, registry: Registry, tmp_path: Path) -> None:
    place = Workplace(tmp_path, rorqual_engine)
    name = f"{TEST_REGISTRY}/ours/busybox"
    succeeded(place.docker("tag", rorqual_engine.image, f"{name}:1"))
    succeeded(place.rorqual("image", "push", f"{name}:1"))
    succeeded(place.docker("rmi", f"{name}:1"))
    assert "ours/busybox" in succeeded(place.rorqual("image", "search", f"{TEST_REGISTRY}/ours")).out
    pulled = succeeded(place.rorqual("image", "pull", f"{name}:1")).out
    assert pulled.startswith("1: Pulling from ours/busybox\nDigest: sha256:")
    assert pulled.endswith(f"{name}:1\n")
    succeeded(place.docker("rmi", f"{name}:1"))


def test_an_image_made_on_one_machine_runs_by_its_digest_on_another(
    rorqual_engine: RunningEngine, tmp_path: Path
) -> None:
    here = Workplace(ROOT / "examples" / "registry", rorqual_engine)
    try:
        with running_registry(tmp_path, port=PORT, netns=rorqual_engine.pid):
            succeeded(here.rorqual("build"))
            succeeded(here.rorqual("push"))
            name = f"{TEST_REGISTRY}/harbour/site"
            assert here.engine.inside(rorqual_words("registry", "ls", TEST_REGISTRY)).stdout == "harbour/site\n"
            assert here.engine.inside(rorqual_words("registry", "ls", name)).stdout == "1\n"
            shown = here.engine.inside(rorqual_words("manifest", "inspect", "-v", f"{name}:1")).stdout
            digest = json.loads(shown)["Descriptor"]["digest"]
        with short_folder() as folder, running_rorqual(folder) as other:
            there = Workplace(ROOT / "examples" / "registry" / "elsewhere", other)
            # the registry moves along: the other machine's loopback is another one
            with running_registry(tmp_path, port=PORT, netns=other.pid):
                site = f"{TEST_REGISTRY}/harbour/site@{digest}"
                up = there.run("env", f"HARBOUR_SITE={site}", *rorqual_words("up", "-d", "--wait"))
                succeeded(up)
                assert "Made on one machine" in there.fetch("http://127.0.0.1:8086/")
                plan = there.run("env", f"HARBOUR_SITE={site}", *rorqual_words("plan", "--detailed-exitcode"))
                assert plan.code == 0, plan.out
                succeeded(there.run("env", f"HARBOUR_SITE={site}", *rorqual_words("down", "-t", "0")))
    finally:
        here.rorqual("down", "-v", "-t", "0")


def rorqual_words(*words: str) -> list[str]:
    return [sys.executable, "-m", "engine.cli.main", *words]
