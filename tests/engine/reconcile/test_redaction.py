"""Values that nobody may see, planted wherever a spec can hold one, and looked for in everything that we write."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engines import RunningEngine
from tests.workshop import RORQUAL, Workshop

pytestmark = pytest.mark.root

PLANTED = {
    "named": "planted-by-its-name",
    "marked": "planted-by-a-mark",
    "interpolated": "planted-in-the-shell",
    "file": "planted-in-a-file",
    "variable": "planted-in-a-variable",
    "argument": "planted-in-a-build",
    "next": "planted-by-a-change",
}
SPEC = """
services:
  web:
    image: {image}
    command: [sh, -c, "echo started with ${{SHELL_TOKEN}}; exec sleep {seconds}"]
    init: true
    stop_grace_period: 0s
    environment: {{DB_PASSWORD: {named}, LICENSE: {marked}, SHELL_TOKEN: "${{SHELL_TOKEN}}"}}
    healthcheck: {{test: [CMD, test, -e, "/ok-or-${{SHELL_TOKEN}}"], interval: 1s, retries: 1}}
    secrets: [file, variable]
    x-rorqual: {{sensitive: [LICENSE]}}
  made: {{build: {{context: ., args: {{API_KEY: {argument}}}}}, profiles: [never]}}
secrets: {{file: {{file: ./secret}}, variable: {{environment: SECRET_VALUE}}}}
"""


@pytest.fixture(params=["docker_engine", "rorqual_engine"])
def shop(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Workshop]:
    engine: RunningEngine = request.getfixturevalue(request.param)
    (tmp_path / "shop").mkdir()
    environment = {
        "RORQUAL_STATE": str(tmp_path / "state"),
        "SHELL_TOKEN": PLANTED["interpolated"],
        "SECRET_VALUE": PLANTED["variable"],
    }
    with Workshop(tmp_path / "shop", engine, f"s{abs(hash(request.node.name)) % 10**8}", environment) as found:
        yield found


def write(shop: Workshop, seconds: int, named: str) -> None:
    (shop.folder / "secret").write_text(f"{PLANTED['file']}\n")
    (shop.folder / "Dockerfile").write_text("FROM scratch\n")
    shop.write(SPEC.format(image=shop.engine.image, seconds=seconds, **{**PLANTED, "named": named}))


def test_a_planted_value_is_in_nothing_that_we_write(shop: Workshop) -> None:
    told: dict[str, str] = {}

    def tell(*words: str) -> None:
        done = shop.call([RORQUAL, *words], 120)
        told[f"{len(told)}: {' '.join(words)}"] = done.stdout + done.stderr

    write(shop, 1000, PLANTED["named"])
    tell("plan")
    tell("up", "-d")
    write(shop, 999, PLANTED["next"])
    for format in ("text", "json", "markdown"):
        tell("plan", "--format", format)
        tell("drift", "--format", format)
    tell("diff")
    tell("diff", "--format", "json")
    tell("up", "-d", "--dry-run")
    tell("plan", "--out", "saved")
    tell("apply", "saved")
    # its check fails: the evidence is its log, which has the value in it
    tell("up", "-d", "--wait")
    tell("up", "-d", "--force-recreate", "--wait", "--progress", "json")
    tell("history", "--format", "json")
    tell("show", "1")
    tell("show", "1", "--format", "json")
    tell("show", "2", "--format", "json")
    tell("diff", "1", "2")
    tell("rollback", "1")
    tell("ps", "--format", "json")
    tell("ls")
    assert any("log: started with (sensitive)" in text for text in told.values()), told
    assert "planted" in shop.run("config").stdout, "config prints what Compose prints"
    labels = json.dumps(shop.inspect(f"{shop.name}-web-1")["Config"]["Labels"])
    files = [*Path(shop.environment["RORQUAL_STATE"]).rglob("*"), shop.folder / "saved"]
    found = {
        (value, place)
        for value in PLANTED.values()
        for place, text in [
            *told.items(),
            ("labels", labels),
            *((str(p), p.read_bytes().decode("latin-1")) for p in files if p.is_file()),
        ]
        if value in text
    }
    assert found == set()


def test_a_saved_plan_with_sensitive_values_is_applied_only_where_it_was_made(shop: Workshop) -> None:
    write(shop, 1000, PLANTED["named"])
    shop.run("plan", "--out", "saved")
    shop.environment["RORQUAL_STATE"] += "-of-another-machine"
    told = shop.run("apply", "saved", code=1).stderr
    assert "can be applied only where it was made" in told and "services.web.environment.DB_PASSWORD" in told
    assert shop.containers() == {}
