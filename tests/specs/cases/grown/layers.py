"""The same keys said again in file after file, with `!reset` and `!override` at every depth."""

from __future__ import annotations

import random
from typing import Any

from tests.specs.cases.case import Case
from tests.specs.cases.grown import services
from tests.specs.cases.grown.projects import FILES
from tests.specs.cases.grown.projects import Project as Grown
from tests.specs.cases.grown.spelling import Marked, Raw, Speller


def layers(chance: random.Random, id: str) -> Case:
    grown = Grown(chance, fault=0.0)
    main = grown.tree(chance.sample(("web", "db", "cache"), chance.randint(1, 3)))
    keys = chance.sample(list(services.KEYS), chance.randint(1, 4))
    for name, body in main["services"].items():
        grown.grow.own = name
        body.update({key: services.KEYS[key](grown.grow) for key in keys})
    trees = [main, *(again(grown, main, keys) for _ in range(chance.choice((1, 1, 1, 2, 3))))]
    files: dict[str, str | bytes] = dict(FILES)
    argv: list[str] = []
    speller = Speller(chance, chance.choice((0.0, 0.2)))
    texts = [speller.document(tree).lstrip("\ufeff") for tree in trees]
    if chance.random() < 0.3:
        files["work/compose.yaml"] = "\n---\n".join(texts)
    else:
        for number, text in enumerate(texts):
            files[f"work/{number}.yaml"] = text
            argv += ["-f", f"{number}.yaml"]
    return Case(id, files, tuple(argv))


def again(grown: Grown, main: dict[str, Any], keys: list[str]) -> dict[str, Any]:
    """The same services with the same keys, other values, and marks anywhere."""
    chance, found = grown.chance, {}
    for name in main["services"]:
        if chance.random() < 0.3:
            continue
        grown.grow.own = name
        said = chance.sample(keys, chance.randint(1, len(keys)))
        body: dict[str, Any] = {key: emptied(chance, services.KEYS[key](grown.grow)) for key in said}
        found[name] = marked(chance, body, 0.25)
        if isinstance(found[name], dict) and chance.random() < 0.7:
            found[name]["image"] = "kept"
    tree: dict[str, Any] = {"services": found or {"web": {"image": "other"}}}
    for kind, make in (("networks", grown.network), ("volumes", grown.volume)):
        if chance.random() < 0.3:
            tree[kind] = {name: marked(chance, make(), 0.2) for name in main[kind]}
    for kind in ("secrets", "configs"):
        if chance.random() < 0.15:
            name = "token" if kind == "secrets" else "app"
            tree[kind] = {name: marked(chance, {"file": "./app.conf"}, 0.5)}
    return {key: marked(chance, value, 0.02) for key, value in tree.items()}


def emptied(chance: random.Random, value: Any) -> Any:
    """Now and then nothing at all, where the earlier file had something."""
    return chance.choice((None, [], {}, "")) if chance.random() < 0.08 else value


def marked(chance: random.Random, node: Any, share: float) -> Any:
    """With a tag somewhere below, at a random depth."""
    if isinstance(node, Marked | Raw) or chance.random() > 0.9:
        return node
    if chance.random() < share:
        mark = chance.choice(("!reset", "!override", "!override"))
        empty = mark == "!reset" and chance.random() < 0.6
        return Marked(mark, chance.choice((None, [], {}, "null")) if empty else node)
    if isinstance(node, dict):
        return {key: marked(chance, value, share) for key, value in node.items()}
    if isinstance(node, list):
        return [marked(chance, item, share * 0.4) for item in node]
    return node
