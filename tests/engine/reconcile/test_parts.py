"""Releases of some services, and what a release doesn't keep: through the real command line on real engines."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.reconcile.test_releases import begin, told, workshop
from tests.engines import RunningEngine
from tests.workshop import Workshop

pytestmark = pytest.mark.root
TWO = """
services:
  web: {{image: {image}, command: sleep {web}, init: true, stop_grace_period: 0s}}
  db: {{image: {image}, command: sleep {db}, init: true, stop_grace_period: 0s}}
"""
FOREIGN = {"user": "ann", "host": "elsewhere", "machine": "m2", "boot": "b2", "nonce": "n", "command": "rorqual up"}


@pytest.fixture
def shop(tmp_path: Path, rorqual_engine: RunningEngine, request: pytest.FixtureRequest) -> Iterator[Workshop]:
    yield from workshop(tmp_path, rorqual_engine, request)


def two(shop: Workshop, *, web: int, db: int) -> None:
    shop.write(TWO.format(image=shop.engine.image, web=web, db=db))


def seconds(shop: Workshop) -> dict[str, str]:
    """What each container sleeps for."""
    prefix = f"{shop.name}-"
    return {name.removeprefix(prefix): shop.inspect(name)["Config"]["Cmd"][1] for name in shop.containers()}


def test_scale_and_create_are_releases_where_they_change_something(shop: Workshop) -> None:
    two(shop, web=1, db=1)
    shop.run("create")
    shop.run("create")
    shop.run("up", "-d")
    shop.run("scale", "web=2")
    shop.run("scale", "web=2")
    assert told(shop) == [(3, "scale", "done"), (2, "up", "done"), (1, "create", "done")]
    assert "service.web  scale: 1 → 2" in shop.run("diff", "2", "3", code=1).stdout
    shop.run("rollback")
    assert set(seconds(shop)) == {"web-1", "db-1"}


def test_a_rollback_to_a_release_of_one_service_returns_the_others_too(shop: Workshop) -> None:
    two(shop, web=1001, db=1001)
    shop.run("up", "-d")
    # edited and not brought out: no part of any release
    two(shop, web=1001, db=1002)
    shop.run("scale", "web=2", "--no-deps")
    two(shop, web=1003, db=1003)
    shop.run("up", "-d", "--scale", "web=2")
    assert seconds(shop) == {"web-1": "1003", "web-2": "1003", "db-1": "1003"}
    shop.run("rollback")
    assert seconds(shop) == {"web-1": "1001", "web-2": "1001", "db-1": "1001"}
    document = json.loads(shop.run("show", "2", "--format", "json").stdout)
    assert document["spec"]["services"]["db"]["command"] == ["sleep", "1001"]
    assert (document["options"]["services"], document["options"]["scale"]) == ([], {"web": 2})


def test_a_service_that_was_never_brought_up_is_no_part_of_a_release(shop: Workshop) -> None:
    two(shop, web=1, db=1)
    shop.run("up", "-d", "web")
    shop.run("up", "-d", "db")
    assert list(json.loads(shop.run("show", "1", "--format", "json").stdout)["spec"]["services"]) == ["web"]
    assert list(json.loads(shop.run("show", "2", "--format", "json").stdout)["spec"]["services"]) == ["db", "web"]
    shop.run("rollback")
    assert set(seconds(shop)) == {"web-1"}


def lock(shop: Workshop) -> str:
    """The lock of somebody on another machine."""
    flags = [word for key, value in FOREIGN.items() for word in ("--label", f"io.rorqual.lock.{key}={value}")]
    name = f"rorqual-lock-{shop.name}"
    shop.docker("volume", "create", *flags, name)
    return name


def test_run_waits_for_the_lock_and_leaves_no_release(shop: Workshop) -> None:
    two(shop, web=1, db=1)
    name = lock(shop)
    done = shop.run("run", "--rm", "--lock-timeout", "0", "web", "true", code=5)
    assert "locked by ann@elsewhere" in done.stderr and shop.containers() == {}
    shop.docker("volume", "rm", name)
    assert shop.run("run", "--rm", "web", "echo", "ran").stdout.strip() == "ran"
    assert told(shop) == [] and shop.docker("volume", "ls", "-q", "--filter", f"name={name}") == ""
    # with the network there, the next one makes nothing but its own container, and waits for nobody
    lock(shop)
    assert shop.run("run", "--rm", "--lock-timeout", "0", "web", "echo", "ran").stdout.strip() == "ran"
    shop.docker("volume", "rm", name)


def test_a_watch_does_nothing_while_another_has_the_lock_and_goes_on_afterwards(shop: Workshop) -> None:
    rule = "{action: restart, path: ./watched}"
    service = f"image: {shop.engine.image}, command: sleep 1000, init: true, stop_grace_period: 0s"
    shop.write(f"services:\n  web: {{{service}, develop: {{watch: [{rule}]}}}}\n")
    (shop.folder / "watched").write_text("1")
    shop.run("up", "-d")
    web = f"{shop.name}-web-1"
    started = shop.inspect(web)["State"]["StartedAt"]
    name = lock(shop)
    log = shop.folder / "watch.log"
    with log.open("wb") as out:
        watching = begin(shop, "watch", "--no-up", "--lock-timeout", "0", out=out)
    try:
        until(lambda: "watching for changes" in log.read_text())
        (shop.folder / "watched").write_text("2")
        until(lambda: "locked by ann@elsewhere" in log.read_text())
        assert shop.inspect(web)["State"]["StartedAt"] == started
        shop.docker("volume", "rm", name)
        (shop.folder / "watched").write_text("3")
        until(lambda: shop.inspect(web)["State"]["StartedAt"] != started)
    finally:
        watching.kill()
        watching.wait()
    assert [row[1] for row in told(shop)] == ["up"]


def until(condition: object, patience_seconds: float = 40) -> None:
    assert callable(condition)
    deadline = time.monotonic() + patience_seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_what_a_release_does_not_keep_is_named_and_what_is_gone_refuses_before_anything_changes(shop: Workshop) -> None:
    site, film = shop.folder / "site", shop.folder / "film"
    site.mkdir()
    (site / "index").write_text("one")
    film.write_bytes(b"x" * (2 << 20))
    mounts = 'volumes: ["./site:/site:ro", "./film:/film:ro"]'
    service = f"image: {shop.engine.image}, init: true, stop_grace_period: 0s, {mounts}"
    for number in (1, 2):
        shop.write(f"services:\n  web: {{{service}, command: sleep {number}000}}\n")
        shop.run("up", "-d")
    assert "has changed since" not in shop.run("rollback", "1").stderr
    (site / "index").write_text("two")
    told_then = shop.run("rollback", "2").stderr
    assert f"warning: {site} has changed since, and is not kept in the history" in told_then
    assert str(film) not in told_then
    before = shop.containers()
    (site / "index").unlink()
    site.rmdir()
    film.unlink()
    refused = shop.run("rollback", "1", code=1).stderr
    assert "can't return to release 1" in refused and f"{film}, {site}" in refused
    assert shop.containers() == before
    assert subprocess.run(["ls", str(site)], capture_output=True).returncode != 0, "no empty folder was made"


def test_configs_and_secrets_of_any_size_are_planned_and_kept(shop: Workshop) -> None:
    """The 1 MiB of bind mounts is none of theirs (issue 2): their content is part of what the containers are."""
    large, key = shop.folder / "large.conf", shop.folder / "key"
    large.write_bytes(b"one" * (1 << 20))
    key.write_bytes(b"k3y-one " * (1 << 18))
    shop.write(
        f"services:\n  web:\n    image: {shop.engine.image}\n    command: sleep 1000\n    init: true\n"
        "    stop_grace_period: 0s\n    configs: [{source: large, target: /etc/large}]\n    secrets: [key]\n"
        "configs: {large: {file: ./large.conf}}\nsecrets: {key: {file: ./key}}\n"
    )
    shop.run("up", "-d")
    assert shop.plan()["steps"] == []
    large.write_bytes(b"two" * (1 << 20))
    key.write_bytes(b"k3y-two " * (1 << 18))
    (step,) = shop.plan()["steps"]
    assert {field["path"] for field in step["fields"]} == {"content./etc/large", "content./run/secrets/key"}
    shop.run("up", "-d")
    large.unlink()
    key.unlink()
    shop.run("rollback", "1")
    web = f"{shop.name}-web-1"
    for path, line in (("/etc/large", "one"), ("/run/secrets/key", "k3y-one ")):
        content = shop.docker("exec", web, "cat", path)
        assert len(content) in {3 << 20, 2 << 20} and content.startswith(line)
    ledger = Path(shop.environment["RORQUAL_STATE"]) / "ledger"
    assert [path for path in ledger.iterdir() if b"k3y-" in path.read_bytes()] == []
