"""Projects put together at random, with a fixed seed: services of several keys each, overrides, profiles, extends."""

from __future__ import annotations

import random
from collections.abc import Iterator

from tests.specs.cases.case import FILES, Case, table
from tests.specs.cases.merging import INNER_TAGS, TOP_VARIANTS, VARIANTS
from tests.specs.cases.snippets import PAIRS

SEED = 424242
NAMES = ("web", "api", "worker", "db", "cache")
SECTIONS = """\
networks: {front: , back: {name: real-back, internal: true}}
volumes: {data: , logs: {driver: local, labels: [a=b]}}
secrets: {token: {file: ./token.txt}, key: {environment: KEY}}
configs: {app: {file: ./app.conf}, inline: {content: "a=$${B}"}}
models: {llm: {model: ai/smollm2}}
"""
ENVIRONMENTS: tuple[dict[str, str], ...] = (
    {},
    {},
    {"UNSET": "set"},
    {"COMPOSE_PROFILES": "a"},
    {"COMPOSE_PROJECT_NAME": "other"},
)


def cases(count: int = 900) -> Iterator[Case]:
    chance = random.Random(SEED)
    forms = [(form.partition(":")[0], form) for form in table("forms")]
    for number in range(count):
        files = {**FILES, "work/compose.yaml": project(chance, forms)}
        if chance.random() < 0.3:
            files["work/compose.override.yaml"] = override(chance)
        if chance.random() < 0.2:
            files["work/.env"] = "UNSET=from-dotenv\nP=9090\n"
        flags = chance.choice(((), (), ("--profile", "a"), ("--profile", "*"), ("-p", "named")))
        yield Case(f"composed/{number}", files, flags, env=chance.choice(ENVIRONMENTS))


def project(chance: random.Random, forms: list[tuple[str, str]]) -> str:
    """Mostly good snippets, so that most projects are accepted: a fault in every second one would hide the rest."""
    lines = ["services:"]
    for name in NAMES:
        lines.append(f"  {name}:")
        body: dict[str, str] = {"image": "image: app:1"}
        for _ in range(chance.randrange(4)):
            if chance.random() < 0.85:
                key = chance.choice(list(VARIANTS))
                body[key] = f"{key}: {chance.choice(VARIANTS[key])}"
            elif chance.random() < 0.2:
                for line in chance.choice(PAIRS).splitlines():
                    body[line.partition(":")[0]] = line
            else:
                key, form = chance.choice(forms)
                body[key] = form
        lines += [f"    {line}" for line in body.values()]
    return "\n".join(lines) + "\n" + SECTIONS


def override(chance: random.Random) -> str:
    lines = ["services:"]
    for name in chance.sample(NAMES[:3], chance.randrange(1, 3)):
        body: dict[str, str] = {}
        for _ in range(chance.randrange(1, 5)):
            if chance.random() < 0.8:
                key = chance.choice(list(VARIANTS))
                body[key] = f"{key}: {chance.choice(VARIANTS[key])}"
            else:
                for line in chance.choice(INNER_TAGS)[1].splitlines():
                    body[line.partition(":")[0]] = line
        lines += [f"  {name}:", *(f"    {line}" for line in body.values())]
    if chance.random() < 0.3:
        key = chance.choice(["volumes", "networks", "x-top", "name"])
        lines.append(f"{key}: {chance.choice(TOP_VARIANTS[key])}")
    return "\n".join(lines) + "\n"
