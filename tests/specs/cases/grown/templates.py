# ruff: noqa: E501 (tables read across)
"""Interpolation by chance: nested, broken, escaped, in every kind of place."""

from __future__ import annotations

import random

from tests.specs.cases.case import Case
from tests.specs.cases.grown.spelling import Speller

NAMES = ("SET", "EMPTY", "UNSET", "NUM", "_u", "A1", "lower", "DOLLAR", "YES")
ENVIRONMENT = {
    "SET": "value",
    "EMPTY": "",
    "NUM": "3",
    "_u": "under",
    "A1": "a b",
    "lower": "low",
    "DOLLAR": "$SET",
    "YES": "true",
}
OPERATORS = (":-", "-", ":+", "+", ":?", "?", "", ":", "=", ":=", "/", "%", "^", "-:", ":-:", ":--")
TEXTS = (
    "",
    "x",
    "a b",
    "5",
    "/path",
    "$$",
    "$",
    "{",
    "}",
    "{}",
    "${",
    ":",
    "-",
    "é",
    "'",
    '"',
    "\\",
    "#",
    "1.5",
    "true",
    "\n",
    "@",
    "[a]",
)
PLACES = (
    *(("image",), ("command",), ("environment", "K"), ("labels", "k.x"), ("hostname",), ("user",), ("working_dir",)),
    *(("environment", 0), ("ports", 0), ("volumes", 0), ("cap_add", 0), ("entrypoint", 0), ("dns", 0), ("expose", 0)),
    *(("mem_limit",), ("cpus",), ("scale",), ("tty",), ("init",), ("privileged",), ("stop_grace_period",), ("restart",)),
    *(("deploy", "replicas"), ("deploy", "resources", "limits", "memory"), ("deploy", "resources", "limits", "cpus")),
    *(("healthcheck", "retries"), ("healthcheck", "interval"), ("healthcheck", "test"), ("logging", "options", "x")),
    *(("build", "args", "A"), ("build", "context"), ("build", "target"), ("build", "no_cache"), ("x-own", "deep", 0)),
    *(("ulimits", "nofile"), ("extra_hosts", 0), ("tmpfs", 0), ("sysctls", "net.x"), ("depends_on", 0), ("networks", 0)),
    *(("secrets", 0), ("pids_limit",), ("shm_size",), ("oom_score_adj",), ("pull_policy",), ("platform",), ("profiles", 0)),
    *(("gpus",), ("network_mode",), ("annotations", 0), ("env_file", 0), ("container_name",), ("read_only",), ("labels", 0)),
)  # fmt: skip

TEXT_PLACES = (
    *(("image",), ("command",), ("environment", "K"), ("labels", "k.x"), ("hostname",), ("user",), ("working_dir",)),
    *(
        ("environment", 0),
        ("entrypoint",),
        ("healthcheck", "test"),
        ("logging", "options", "x"),
        ("build", "args", "A"),
    ),
    *(
        ("build", "context"),
        ("build", "target"),
        ("annotations", 0),
        ("labels", 0),
        ("x-own", "deep", 0),
        ("profiles", 0),
    ),
)


def templates(chance: random.Random, id: str) -> Case:
    service: dict[str, object] = {"image": "x"}
    # most of the time in places that take any text: elsewhere nearly all of them are refused
    places = PLACES if chance.random() < 0.3 else TEXT_PLACES
    for place in chance.sample(places, chance.randint(1, 4)):
        put(service, place, typed(chance) if chance.random() < 0.3 else template(chance, 3))
    tree: dict[str, object] = {"services": {"a": service, "value": {"image": "y"}}}
    if chance.random() < 0.3:
        tree["configs"] = {"c": {"content": template(chance, 3)}}
        service["configs"] = ["c"]
    if chance.random() < 0.15:
        tree["name"] = template(chance, 2)
    if chance.random() < 0.2:
        tree["networks"] = {"value": {"name": template(chance, 2), "driver_opts": {"k": template(chance, 2)}}}
    environment = {name: value for name, value in ENVIRONMENT.items() if chance.random() < 0.8}
    return Case(id, {"work/compose.yaml": Speller(chance, chance.choice((0.0, 0.5))).document(tree)}, env=environment)


def put(tree: dict[str, object], place: tuple[object, ...], value: object) -> None:
    """`value` at the path, whose numbers stand for lists of one."""
    *steps, last = place
    node: object = value
    for step in reversed([*steps[1:], last] if steps else []):
        node = [node] if step == 0 else {step: node}
    tree[str(place[0])] = node


def typed(chance: random.Random) -> str:
    """A template that often gives what a typed key takes."""
    good = chance.choice(("5", "true", "1.5", "10s", "64m", "80", "./x:/x", "value", "no", "a=b", "K=v", "h=1.2.3.4"))
    name, default = chance.choice(NAMES), "${UNSET:-" + good + "}"
    return chance.choice(
        (f"${{{name}:-{good}}}", default, default, "$NUM", f"${{SET:+{good}}}", f"${{UNSET:-{default}}}")
    )


def template(chance: random.Random, depth: int) -> str:
    return "".join(piece(chance, depth) for _ in range(chance.choice((1, 1, 2, 3))))


def piece(chance: random.Random, depth: int) -> str:
    kind = chance.random()
    if kind < 0.3 or depth == 0:
        return chance.choice(TEXTS)
    name = (
        chance.choice(NAMES)
        if chance.random() < 0.985
        else chance.choice(("1X", "A-B", "a.b", "", "é", " SET", "SET "))
    )
    if kind < 0.45:
        return f"${name}"
    operator = chance.choice(OPERATORS[:4]) if chance.random() < 0.93 else chance.choice(OPERATORS)
    word = "" if operator == "" else template(chance, depth - 1)
    return f"${{{name}{operator}{word}}}"
