"""Real files of others, where a folder of them stands beside the checkout, and seeded mutations of them."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import ruamel.yaml

from tests.specs.cases.case import Case

FOLDER = (Path(__file__).resolve().parents[4] / "shared" / "conformance" / "compose").resolve()
LARGEST = 1 << 16
SEED = 20240229
SPELLINGS: tuple[Any, ...] = (
    *(None, "", "foo", 0, 1, -1, 1.5, True, False, "true", "5", "10s", "64m", "a=b", "$$x", "${NOPE:-d}"),
    *([], ["a"], [1], [None], {}, {"a": "b"}),
)


def compose_files() -> list[Path]:
    """The YAML files that look like Compose, in a fixed order; none where the folder is missing."""
    return sorted(p for p in FOLDER.rglob("*.y*ml") if "services" in p.read_text(errors="replace"))


def conformance() -> Iterator[Case]:
    for path in compose_files():
        yield Case(f"conformance/{path.relative_to(FOLDER)}", argv=("-f", path.name), place=path.parent)


def mutations(rounds: int = 12) -> Iterator[Case]:
    """Each real file, changed in one or two places: keys lost, doubled, renamed, values of another type or form."""
    for path in compose_files():
        try:
            tree = ruamel.yaml.YAML(typ="safe", pure=False).load(path)
        except Exception:
            continue
        around = {
            f"work/{p.relative_to(path.parent)}": p.read_bytes()
            for p in path.parent.rglob("*")
            if p.is_file() and p != path and p.stat().st_size < LARGEST
        }
        for turn in range(rounds):
            chance = random.Random(f"{SEED}/{path.relative_to(FOLDER)}/{turn}")
            changed = copy.deepcopy(tree)
            for _ in range(chance.choice((1, 1, 2))):
                mutate(changed, chance)
            yield Case(f"mutation/{path.relative_to(FOLDER)}/{turn}", {**around, "work/compose.yaml": dump(changed)})


def dump(tree: Any) -> str:
    import io

    out = io.StringIO()
    yaml = ruamel.yaml.YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.dump(tree, out)
    return out.getvalue()


def mutate(tree: Any, chance: random.Random) -> None:
    spots = list(containers(tree))
    if spots:
        chance.choice(CHANGES)(chance.choice(spots), chance)


def containers(tree: Any) -> Iterator[Any]:
    if isinstance(tree, dict | list) and tree:
        yield tree
        for inner in tree.values() if isinstance(tree, dict) else tree:
            yield from containers(inner)


def places(node: Any) -> list[Any]:
    return list(node) if isinstance(node, dict) else list(range(len(node)))


def drop(node: Any, chance: random.Random) -> None:
    del node[chance.choice(places(node))]


def double(node: Any, chance: random.Random) -> None:
    place = chance.choice(places(node))
    if isinstance(node, list):
        node.append(copy.deepcopy(node[place]))
    else:
        node[f"{place}2"] = copy.deepcopy(node[place])


def rename(node: Any, chance: random.Random) -> None:
    if isinstance(node, dict):
        place = chance.choice(places(node))
        word = str(place)
        at = chance.randrange(len(word) + 1)
        node[chance.choice((word[:at] + word[at + 1 :], word[:at] + "_" + word[at:], word.upper()))] = node.pop(place)


def retype(node: Any, chance: random.Random) -> None:
    node[chance.choice(places(node))] = copy.deepcopy(chance.choice(SPELLINGS))


def respell(node: Any, chance: random.Random) -> None:
    """A number as text, text as a number, one item as a list of one, a mapping as a list of `k=v`, and back."""
    place = chance.choice(places(node))
    value = node[place]
    if isinstance(value, dict) and all(isinstance(v, str | int | float) for v in value.values()):
        node[place] = [f"{k}={v}" for k, v in value.items()]
    elif isinstance(value, list) and all(isinstance(v, str) and "=" in v for v in value):
        node[place] = dict(item.split("=", 1) for item in value)
    elif isinstance(value, list) and len(value) == 1:
        node[place] = value[0]
    elif isinstance(value, str):
        node[place] = int(value) if value.isdigit() else [value]
    elif value is not None:
        node[place] = str(value)


CHANGES: tuple[Callable[[Any, random.Random], None], ...] = (drop, double, rename, retype, respell, respell)
