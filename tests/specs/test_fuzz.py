"""Mutated files never give a traceback, never take long or much memory, and are never refused without a word."""

from __future__ import annotations

import copy
import json
import os
import random
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import ruamel.yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from specs.load import Request, load
from specs.output import json_text, json_values
from tests.specs.cases import corpus
from tests.specs.cases.conformance import compose_files, dump
from tests.specs.cases.conformance import mutate as mutate_tree
from tests.specs.hostile import outcomes

RUNS = 1000
SEED = 5
ROOT = Path(__file__).parents[2]
# Bytes and words that have broken parsers before.
NASTY = (
    *(
        b"\x00",
        b"\t",
        b"\xff",
        b"\xe2\x80\xa8",
        b"\xef\xbb\xbf",
        b"\r",
        b"x" * 5000,
        b"9" * 400,
        b"[" * 60,
        b"{a: " * 40,
    ),
    *b"&a |*a|<<: *a|!!|!reset |!override |${|$|}|${A:?|{|[|]|: |- |? |'|#|%|@|`|~|null|0x|1e999|.inf|-|\"".split(b"|"),
    *(b"|\n", b">\n", b"---\n", b"...\n"),
)


def seeds() -> list[bytes]:
    """Real files where they are at hand; the examples and the corpus always."""
    texts = [path.read_bytes() for path in (*compose_files(), *ROOT.glob("examples/*/compose.yaml"))]
    for case in list(corpus())[::97]:
        body = case.files.get("work/compose.yaml", b"")
        texts.append(body if isinstance(body, bytes) else body.encode("utf-8", "surrogateescape"))
    return [text for text in texts if text]


def mutants(count: int) -> Iterator[bytes]:
    """Half of them broken as text, half as trees, which get past the parser."""
    chance = random.Random(SEED)
    pool = seeds()
    trees = [tree for text in pool if (tree := parsed(text))]
    for number in range(count):
        if number % 2:
            tree = copy.deepcopy(chance.choice(trees))
            for _ in range(chance.choice((1, 1, 2, 4))):
                mutate_tree(tree, chance)
            yield dump(tree).encode("utf-8", "replace")
            continue
        text = bytearray(chance.choice(pool))
        for _ in range(chance.choice((1, 1, 2, 4, 8))):
            mutate(text, pool, chance)
        yield bytes(text)


def parsed(text: bytes) -> Any:
    try:
        return ruamel.yaml.YAML(typ="safe", pure=True).load(text)
    except Exception:
        return None


def mutate(text: bytearray, pool: list[bytes], chance: random.Random) -> None:
    at, end = sorted((chance.randrange(len(text) + 1), chance.randrange(len(text) + 1)))
    end = min(end, at + 60)
    match chance.randrange(6):
        case 0:
            del text[at:end]
        case 1:
            text[at:at] = chance.choice(NASTY)
        case 2:
            text[at:at] = text[at:end] * chance.choice((1, 2, 30))
        case 3 if text:
            text[min(at, len(text) - 1)] = chance.randrange(256)
        case 4:
            lines = text.split(b"\n")
            chance.shuffle(lines)
            text[:] = b"\n".join(lines)
        case _:
            other = chance.choice(pool)
            text[at:end] = other[: chance.randrange(200)]


def faulty_projects(count: int) -> Iterator[dict[str, bytes]]:
    """Three files each with many faults, of which the first includes the second and extends from the third."""
    chance = random.Random(SEED)
    trees = [tree for text in seeds() if isinstance(tree := parsed(text), dict)]
    for _ in range(count):
        files = [copy.deepcopy(chance.choice(trees)) for _ in range(3)]
        for tree in files:
            for _ in range(chance.choice((1, 4, 10, 20))):
                mutate_tree(tree, chance)
        first, _, third = files
        first["include"] = ["1.yaml"]
        services, bases = first.get("services"), third.get("services")
        for service in services.values() if isinstance(services, dict) else ():
            if isinstance(service, dict) and isinstance(bases, dict) and bases:
                service["extends"] = {"file": "2.yaml", "service": chance.choice(list(bases))}
        names = ("compose.yaml", "1.yaml", "2.yaml")
        yield {name: dump(tree).encode("utf-8", "replace") for name, tree in zip(names, files, strict=True)}


def test_a_thousand_mutated_files_are_accepted_or_refused_with_a_word(tmp_path: Path) -> None:
    refused = [a for a in answers_to(tmp_path, ({"compose.yaml": text} for text in mutants(RUNS))) if "refused" in a]
    assert RUNS // 5 < len(refused) < RUNS


def test_projects_of_several_files_full_of_faults_are_refused_with_each_fault_once(tmp_path: Path) -> None:
    answers = answers_to(tmp_path, faulty_projects(RUNS // 3))
    many = 0
    for answer in answers:
        messages = answer.get("messages", [])
        many += len(messages) > 4
        assert len(messages) == len(set(messages)), answer
    assert many > RUNS // 6


def answers_to(folder: Path, projects: Iterable[dict[str, bytes]]) -> list[dict[str, Any]]:
    """What comes of each project, in workers with limits. Fails where anything escapes, or nothing is said."""
    folders = []
    for number, files in enumerate(projects):
        home = folder / str(number)
        home.mkdir()
        for name, text in files.items():
            (home / name).write_bytes(text)
        folders.append(home)
    workers = os.cpu_count() or 2
    with ThreadPoolExecutor(workers) as threads:
        shares = [folders[start::workers] for start in range(workers)]
        answers = [answer for share in threads.map(outcomes, shares) for answer in share]
    assert len(answers) == len(folders)
    broke = {answer["broke"] for answer in answers if "broke" in answer}
    assert broke == set()
    assert all(answer["refused"] for answer in answers if "refused" in answer)
    return answers


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12)
WORDS = """services image build ports volumes networks environment command depends_on deploy extends secrets configs
healthcheck labels ulimits include name profiles develop gpus models x-a a b"""
KEYS = st.sampled_from(WORDS.split()) | st.text(max_size=6)
TREES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=25,
)


def flow(value: object) -> str:
    """A tree as YAML in flow style, strings as JSON writes them."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k)}: {flow(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(flow, value)) + "]"
    if isinstance(value, float) and value in (float("inf"), float("-inf")):
        return ".inf" if value > 0 else "-.inf"
    return ".nan" if value != value else json.dumps(value)


def resolved(folder: Path, text: str) -> None:
    """Load, and print what was accepted: a refusal has an error in its report, with a place in this file."""
    (folder / "compose.yaml").write_text(text, encoding="utf-8", errors="surrogateescape")
    loaded = load(Request(str(folder), project_name="p", environment={"HOME": "/h"}))
    if loaded.report.failed:
        assert loaded.values is None
    else:
        assert loaded.values is not None
        assert json_text(json_values(loaded.values)).startswith("{")


HERE = settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@HERE
@given(tree=TREES)
def test_any_tree_as_a_service_is_accepted_or_refused(tmp_path: Path, tree: object) -> None:
    resolved(tmp_path, f"services: {{a: {{image: x, deploy: {flow(tree)}}}, b: {flow(tree)}}}")


@HERE
@given(tree=TREES, key=KEYS)
def test_any_tree_under_any_key_is_accepted_or_refused(tmp_path: Path, tree: object, key: str) -> None:
    resolved(
        tmp_path,
        f"services: {{a: {{image: x, {json.dumps(key)}: {flow(tree)}}}}}\n{json.dumps('x-' + key)}: {flow(tree)}\n",
    )


@HERE
@given(text=st.text(max_size=200))
def test_any_text_is_accepted_or_refused(tmp_path: Path, text: str) -> None:
    resolved(tmp_path, text.encode("utf-8", "replace").decode())


@HERE
@given(text=st.text(alphabet="${}:-?+aA_1\"' ", max_size=30))
def test_any_interpolation_is_accepted_or_refused(tmp_path: Path, text: str) -> None:
    quoted = text.replace("'", "''")
    resolved(tmp_path, f"services: {{a: {{image: x, command: '{quoted}', labels: {{'l': '{quoted}'}}}}}}")


@HERE
@given(text=st.text(alphabet="aA=:#'\"\\${} \n\texport", max_size=60))
def test_any_env_file_is_accepted_or_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "e.env").write_text(text)
    (tmp_path / ".env").write_text(text)
    resolved(tmp_path, "services: {a: {image: x, env_file: e.env, environment: [A]}}")
    (tmp_path / ".env").unlink()


@HERE
@given(
    port=st.text(alphabet="0123456789:-./[]tcpudp", max_size=20), mount=st.text(alphabet="ab/.:~\\ro,z C", max_size=16)
)
def test_any_short_form_is_accepted_or_refused(tmp_path: Path, port: str, mount: str) -> None:
    resolved(tmp_path, f"services: {{a: {{image: x, ports: ['{port}'], volumes: ['{mount}'], devices: ['{mount}']}}}}")
