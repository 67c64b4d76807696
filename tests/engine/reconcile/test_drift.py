"""Drift on a real Docker engine, three ways and several at once; test_drift_list has each change by itself."""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.desk import Desk
from tests.engines import TEST_REGISTRY, RunningEngine
from tests.faults import Relay
from tests.registries import running_registry
from tests.workshop import RORQUAL, Workshop

pytestmark = pytest.mark.root

SHOP = """
services:
  web:
    image: {image}
    command: sleep 1000
    init: true
    stop_grace_period: 0s
    environment: {{MODE: dev, DB_PASSWORD: hunter22}}
    mem_limit: 64m
    restart: unless-stopped
    networks: [front]
    configs: [{{source: app, target: /etc/app.conf}}]
    secrets: [key]
    volumes: ["./site.conf:/site.conf:ro"]
  quiet: {{image: {image}, command: sleep 1000, init: true, stop_grace_period: 0s, networks: [front]}}
  db: {{image: {image}, command: sleep 1000, init: true, stop_grace_period: 0s, networks: [front]}}
networks: {{front: }}
configs: {{app: {{file: ./app.conf}}}}
secrets: {{key: {{file: ./key}}}}
{more}
"""


@pytest.fixture
def shop(tmp_path: Path, docker_engine: RunningEngine, request: pytest.FixtureRequest) -> Iterator[Workshop]:
    yield from workshop(tmp_path, docker_engine, request)


@pytest.fixture(params=["docker_engine", "rorqual_engine"])
def anywhere(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Workshop]:
    yield from workshop(tmp_path, request.getfixturevalue(request.param), request)


def workshop(tmp_path: Path, engine: RunningEngine, request: pytest.FixtureRequest) -> Iterator[Workshop]:
    (tmp_path / "shop").mkdir()
    state = {"RORQUAL_STATE": str(tmp_path / "state")}
    name = f"d{abs(hash(request.node.name)) % 10**8}"
    with Workshop(tmp_path / "shop", engine, name, state) as found:
        yield found


def standing(shop: Workshop, more: str = "") -> None:
    for file, text in (("app.conf", "a = 1\n"), ("key", "correct horse\n"), ("site.conf", "site = 1\n")):
        (shop.folder / file).write_text(text)
    shop.write(SHOP.format(image=shop.engine.image, more=more))
    shop.run("up", "-d")


def drift(shop: Workshop, *words: str, code: int = 1) -> dict[tuple[str, str | None], list[Any]]:
    """(object, field) → last applied, live, desired."""
    document = json.loads(shop.run("drift", "--format", "json", *words, code=code).stdout)
    assert document["project"] == shop.name
    return {(d["address"], d["path"]): [d["applied"], d["live"], d["desired"]] for d in document["drift"]}


def test_what_was_changed_in_place_is_named_three_ways_and_mended_with_as_many_calls(shop: Workshop) -> None:
    standing(shop)
    assert drift(shop, code=0) == {}
    web, db = f"{shop.name}-web-1", f"{shop.name}-db-1"
    shop.docker("update", "--memory", "96m", "--memory-swap", "192m", "--restart", "no", web)
    shop.docker("network", "create", f"{shop.name}-alien")
    shop.docker("network", "connect", f"{shop.name}-alien", web)
    shop.docker("network", "disconnect", f"{shop.name}_front", web)
    shop.docker("stop", db)
    shop.docker("rename", db, f"{shop.name}-renamed")
    found = drift(shop)
    mib = 1 << 20
    assert found == {
        ("service.web.1", "mem_limit"): [64 * mib, 96 * mib, 64 * mib],
        ("service.web.1", "restart"): ["unless-stopped", None, "unless-stopped"],
        ("service.web.1", f"networks.{shop.name}-alien"): [None, "connected", None],
        ("service.web.1", f"networks.{shop.name}_front"): [None, None, "connected"],
        ("service.db.1", "container_name"): [None, f"{shop.name}-renamed", db],
        ("service.db.1", "state"): ["running", "exited", "running"],
    }
    before = shop.containers()
    relay = Relay(shop.engine.socket, shop.folder / "relay.sock")
    done = relay.run(["env", f"COMPOSE_PROJECT_NAME={shop.name}", RORQUAL, "up", "-d"], shop.folder)
    assert done.returncode == 0, done.stderr
    shop.docker("network", "rm", f"{shop.name}-alien")
    # update, rename, connect, disconnect, start: nothing else but the lock (taken, let go), the image's name, and the
    # question whether the engine can update at all
    others = [call for call in relay.calls if "/volumes" not in call and "rorqual-asks-whether" not in call]
    writes = sorted(call.split("?")[0].rpartition("/")[2] for call in others)
    assert [w for w in writes if w != "tag"] == ["connect", "disconnect", "rename", "start", "update"]
    after = shop.containers()
    assert after[web] == before[web] and after[db] == before[f"{shop.name}-renamed"]
    assert drift(shop, code=0) == {}


def test_missing_foreign_and_changed_things_are_told_and_no_secret_with_them(shop: Workshop) -> None:
    standing(shop)
    label = f"com.docker.compose.project={shop.name}"
    shop.docker("rm", "-f", f"{shop.name}-db-1")
    shop.docker("network", "create", "--label", label, f"{shop.name}-old")
    flags = ["--label", label, "--label", "com.docker.compose.service=alien", "--name", f"{shop.name}-alien"]
    shop.docker("run", "-d", "--init", *flags, shop.engine.image, "sleep", "1000")
    for file in ("app.conf", "key", "site.conf"):
        (shop.folder / file).write_text("battery staple\n")
    found = drift(shop)
    assert set(found) == {
        ("service.db.1", None),
        ("service.alien.1", None),
        (f"network.{shop.name}-old", None),
        ("service.web.1", "content./etc/app.conf"),
        ("service.web.1", "content./run/secrets/key"),
        ("service.web.1", "content./site.conf"),
    }
    assert found["service.web.1", "content./run/secrets/key"] == ["(sensitive)"] * 3
    for format in ("text", "markdown", "json"):
        told = shop.run("drift", "--format", format, code=1).stdout
        assert "(sensitive)" in told and "battery" not in told and "hunter22" not in told
    quiet = shop.containers()[f"{shop.name}-quiet-1"]
    shop.run("up", "-d", "--remove-orphans")
    assert set(drift(shop)) == {(f"network.{shop.name}-old", None)}
    assert shop.containers()[f"{shop.name}-quiet-1"] == quiet


def test_what_is_ignored_is_neither_drift_nor_mended_until_the_spec_changes_it(shop: Workshop) -> None:
    rules = "services.web.deploy.resources, 'services.*.networks.front', services.db.state"
    standing(shop, f"x-rorqual: {{drift: {{ignore: [{rules}]}}}}")
    web = f"{shop.name}-web-1"
    shop.docker("update", "--memory", "96m", "--memory-swap", "192m", web)
    shop.docker("network", "disconnect", f"{shop.name}_front", web)
    shop.docker("stop", f"{shop.name}-db-1")
    assert drift(shop, code=0) == {}
    assert shop.plan()["steps"] == []
    shop.write((shop.folder / "compose.yaml").read_text().replace("64m", "80m"))
    assert [f["path"] for s in shop.plan()["steps"] for f in s["fields"]] == ["mem_limit"]
    shop.run("up", "-d")
    assert shop.inspect(web)["HostConfig"]["Memory"] == 80 << 20
    # the ledger knows what was applied last: the label, from the container's making, doesn't
    shop.docker("update", "--memory", "96m", "--memory-swap", "192m", web)
    assert drift(shop, code=0) == {} and shop.plan()["steps"] == []


def test_without_a_ledger_what_was_last_applied_in_place_is_unknown(shop: Workshop) -> None:
    standing(shop)
    shop.docker("update", "--memory", "96m", "--memory-swap", "192m", f"{shop.name}-web-1")
    shop.environment["RORQUAL_STATE"] += "-another"
    told = shop.run("drift", code=1).stdout
    assert "mem_limit: (unknown) → 96 MiB → 64 MiB" in told


def test_a_tag_that_moved_at_its_registry_is_drift_until_it_is_pulled(anywhere: Workshop) -> None:
    shop = anywhere
    reference = f"{TEST_REGISTRY}/{shop.name}:1"
    serve = [RORQUAL, "registry", "serve", f"--listen={TEST_REGISTRY.replace('localhost', '127.0.0.1')}"]
    command = ["nsenter", f"--net=/proc/{shop.engine.pid}/ns/net", *serve, f"--root={shop.folder}/registry"]
    with (shop.folder / "registry.log").open("wb") as log:
        registry = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        push(shop, reference, "ONE")
        shop.write(
            f"services:\n  web: {{image: '{reference}', command: sleep 1000, init: true, stop_grace_period: 0s}}\n"
        )
        shop.run("up", "-d")
        assert drift(shop, code=0) == {}
        local = shop.inspect(f"{shop.name}-web-1")["Image"]
        push(shop, reference, "TWO")
        shop.docker("tag", local, reference)
        ((key, (applied, live, now)),) = drift(shop).items()
        assert key == ("service.web", "image") and applied == live != now
        assert drift(shop, "--no-registry", code=0) == {}
        shop.run("up", "-d", "--pull", "always")
        assert drift(shop, code=0) == {}
    finally:
        registry.terminate()
        registry.wait()
    done = shop.run("drift", code=0)
    assert f"whether a tag has moved is not known: {reference}" in done.stderr


def push(shop: Workshop, reference: str, mark: str) -> None:
    source = shop.docker("create", shop.engine.image).strip()
    shop.docker("commit", "-c", f"ENV MARK={mark}", source, reference)
    shop.docker("rm", source)
    deadline = time.monotonic() + 60
    # until the registry listens
    while shop.call(["docker", "push", reference], 60).returncode:
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_drift_says_what_it_can_not_know(shop: Workshop) -> None:
    shop.write("services: {web: {image: x, depends_on: [db]}}\n")
    assert "db" in shop.run("drift", code=2).stderr


def test_on_podman_which_can_not_be_asked_the_registry_itself_is(podman_engine: RunningEngine, tmp_path: Path) -> None:
    desk, reference = Desk(tmp_path, podman_engine), f"{TEST_REGISTRY}/moved/box:1"
    # Podman names what it imports so, whatever tag it was given
    other = f"{TEST_REGISTRY}/moved/other:latest"
    (tmp_path / "compose.yaml").write_text(
        f"name: moved\nservices:\n  web: {{image: '{reference}', command: sleep 1000, stop_grace_period: 0s}}\n"
    )
    with running_registry(tmp_path, port=int(TEST_REGISTRY.partition(":")[2]), netns=podman_engine.pid):
        desk.call("image", "tag", podman_engine.image, reference)
        desk.call("image", "push", reference)
        desk.call("up", "-d")
        try:
            assert desk.call("drift").startswith("No drift")
            with tarfile.open(tmp_path / "root.tar", "w") as tar:
                tar.addfile(tarfile.TarInfo("empty"), io.BytesIO())
            desk.call("image", "import", str(tmp_path / "root.tar"), other)
            desk.call("image", "tag", other, reference)
            desk.call("image", "push", reference)
            desk.call("image", "tag", podman_engine.image, reference)
            (found,) = json.loads(desk.call("drift", "--format", "json", code=1))["drift"]
            assert (found["address"], found["path"]) == ("service.web", "image") and found["live"] != found["desired"]
            assert desk.call("drift", "--no-registry").startswith("No drift")
        finally:
            desk.call("down")
