"""History, rollback and the project's lock on real engines, through the real command line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import pytest

from engine.ledger.release import FILE
from engine.ledger.vault import KEY_FILE
from tests.engines import RunningEngine
from tests.workshop import RORQUAL, Workshop

pytestmark = pytest.mark.root

WEB = """
services:
  web:
    image: {image}
    command: sleep 1000
    stop_grace_period: 0s
    environment: {{MODE: "{mode}", DB_PASSWORD: "{password}"}}
    configs: [{{source: app, target: /etc/app.conf}}]
    secrets: [key]
    volumes: ["./run.sh:/run.sh:ro"]
configs: {{app: {{file: ./app.conf}}}}
secrets: {{key: {{file: ./key}}}}
"""


@pytest.fixture
def shop(tmp_path: Path, docker_engine: RunningEngine, request: pytest.FixtureRequest) -> Iterator[Workshop]:
    yield from workshop(tmp_path, docker_engine, request)


@pytest.fixture(params=["docker_engine", "podman_engine", "rorqual_engine"])
def anywhere(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Workshop]:
    yield from workshop(tmp_path, request.getfixturevalue(request.param), request)


@pytest.fixture
def ours(tmp_path: Path, rorqual_engine: RunningEngine, request: pytest.FixtureRequest) -> Iterator[Workshop]:
    yield from workshop(tmp_path, rorqual_engine, request)


def workshop(folder: Path, engine: RunningEngine, request: pytest.FixtureRequest) -> Iterator[Workshop]:
    state = folder / "state"
    state.mkdir()
    (folder / "shop").mkdir()
    name = f"r{abs(hash(request.node.name)) % 10**8}"
    with Workshop(folder / "shop", engine, name, {"RORQUAL_STATE": str(state)}) as found:
        yield found


def web(shop: Workshop, mode: str = "dev", password: str = "hunter22", conf: str = "a = 1\n") -> None:
    (shop.folder / "app.conf").write_text(conf)
    (shop.folder / "key").write_bytes(b"\x00\xffbinary key\n")
    (shop.folder / "run.sh").write_text("#!/bin/sh\necho ran\n")
    (shop.folder / "run.sh").chmod(0o755)
    shop.write(WEB.format(image=shop.engine.image, mode=mode, password=password))


def history(shop: Workshop) -> list[dict[str, Any]]:
    lines = shop.run("history", "-p", shop.name, "--format", "json").stdout.splitlines()
    return [json.loads(line) for line in lines]


def told(shop: Workshop) -> list[tuple[int, str, str]]:
    return [(row["Release"], row["What"], row["State"]) for row in history(shop)]


def environment(shop: Workshop) -> dict[str, str]:
    entries = shop.inspect(f"{shop.name}-web-1")["Config"]["Env"]
    return dict(entry.split("=", 1) for entry in entries)


def inside(shop: Workshop, *command: str) -> str:
    return shop.docker("exec", f"{shop.name}-web-1", *command)


def state(shop: Workshop) -> Path:
    return Path(shop.environment["RORQUAL_STATE"])


def test_what_changed_something_is_a_release_and_nothing_else(shop: Workshop) -> None:
    web(shop)
    shop.run("up", "-d")
    shop.run("up", "-d")
    shop.run("stop")
    shop.run("start")
    shop.run("plan", "--out", "saved", "--force-recreate")
    shop.run("apply", "saved")
    shop.run("down")
    shop.run("down")
    assert told(shop) == [(3, "down", "done"), (2, "apply", "done"), (1, "up", "done")]
    where = shop.run("history", "--where").stdout.strip()
    assert where == str(state(shop) / "ledger" / FILE)


def test_rollback_returns_to_what_was_with_no_source_tree_and_no_network(anywhere: Workshop) -> None:
    shop = anywhere
    web(shop)
    shop.run("up", "-d")
    web(shop, "prod", "other-password", "a = 2\n")
    shop.run("up", "-d")
    for path in shop.folder.iterdir():
        path.unlink()
    shop.run("rollback", "-p", shop.name)
    found = environment(shop)
    assert (found["MODE"], found["DB_PASSWORD"]) == ("dev", "hunter22")
    assert inside(shop, "cat", "/etc/app.conf") == "a = 1\n"
    assert inside(shop, "/run.sh") == "ran\n"
    assert inside(shop, "od", "-An", "-tx1", "/run/secrets/key").split()[:2] == ["00", "ff"]
    assert told(shop)[0] == (3, "rollback to 1", "done")
    # a rollback of a rollback returns to what it had left
    shop.run("rollback", "-p", shop.name)
    assert environment(shop)["MODE"] == "prod"
    assert shop.run("rollback", "-p", shop.name, "4").stderr.count("is as release 4 left it") == 1


def test_rollback_where_the_source_is_as_it_was_binds_the_same_files_again(shop: Workshop) -> None:
    web(shop)
    shop.run("up", "-d")
    before = shop.inspect(f"{shop.name}-web-1")["Mounts"]
    web(shop, "prod")
    shop.run("up", "-d")
    shop.run("rollback")
    key = lambda mount: mount["Destination"]  # noqa: E731
    assert sorted(shop.inspect(f"{shop.name}-web-1")["Mounts"], key=key) == sorted(before, key=key)
    web(shop)
    assert shop.plan()["steps"] == []


def test_services_that_came_later_go_with_a_rollback_and_foreign_orphans_stay(shop: Workshop) -> None:
    small = f"services:\n  web: {{image: {shop.engine.image}, command: sleep 1000, init: true}}\n"
    shop.write(small)
    shop.run("up", "-d")
    shop.write(small + f"  later: {{image: {shop.engine.image}, command: sleep 1000, init: true}}\n")
    shop.run("up", "-d")
    label = ["--label", f"com.docker.compose.project={shop.name}", "--label", "com.docker.compose.service=alien"]
    shop.docker("run", "-d", "--init", "--name", f"{shop.name}-alien", *label, shop.engine.image, "sleep", "1000")
    shop.run("rollback")
    assert set(shop.containers()) == {f"{shop.name}-web-1", f"{shop.name}-alien"}


def test_a_moved_tag_is_no_matter_and_a_prune_leaves_what_a_release_ran(shop: Workshop) -> None:
    moved = f"{shop.name}:latest"
    shop.docker("tag", shop.engine.image, moved)
    shop.write(f"services:\n  web: {{image: '{moved}', command: sleep 1000, init: true}}\n")
    shop.run("up", "-d")
    first = shop.inspect(f"{shop.name}-web-1")["Image"]
    shop.docker("commit", "-c", "ENV NEW=1", f"{shop.name}-web-1", moved)
    shop.run("up", "-d")
    assert shop.inspect(f"{shop.name}-web-1")["Image"] != first
    shop.docker("image", "prune", "-f")
    shop.run("rollback")
    assert shop.inspect(f"{shop.name}-web-1")["Image"] == first


def test_an_image_that_prune_all_took_is_named_before_anything_changes(shop: Workshop) -> None:
    moved = f"{shop.name}:latest"
    shop.write(f"services:\n  web: {{image: '{moved}', command: sleep 1000, init: true}}\n")
    for mark in ("OLD", "NEW"):
        source = shop.docker("create", shop.engine.image).strip()
        shop.docker("commit", "-c", f"ENV {mark}=1", source, moved)
        shop.docker("rm", source)
        shop.run("up", "-d")
    before = shop.containers()
    old = shop.docker("images", "-q", "--no-trunc", f"rorqual-keep/{shop.name}").split()
    current = shop.inspect(f"{shop.name}-web-1")["Image"]
    (gone,) = set(old) - {current}
    # what `image prune -a` does to an image that no container uses, without touching other tests' images
    shop.docker("rmi", "-f", gone)
    done = shop.run("rollback", code=1)
    assert f"{moved} ({gone[:19]})" in done.stderr and "prune -a" in done.stderr
    assert shop.containers() == before
    assert told(shop)[0][0] == 2


def test_without_the_key_values_come_from_the_source_or_are_named(shop: Workshop) -> None:
    web(shop)
    shop.run("up", "-d")
    web(shop, "prod")
    shop.run("up", "-d")
    (state(shop) / "ledger" / KEY_FILE).unlink()
    shop.run("rollback")
    assert environment(shop)["MODE"] == "dev"
    web(shop, "prod", "other-password")
    (shop.folder / "key").write_text("another")
    (state(shop) / "ledger" / KEY_FILE).unlink(missing_ok=True)
    before = shop.containers()
    done = shop.run("rollback", "2", code=1)
    assert "services.web.environment.DB_PASSWORD" in done.stderr and f"{shop.folder}/key" in done.stderr
    assert "hunter22" not in done.stderr and shop.containers() == before


def test_a_failed_release_is_recorded_and_no_state_to_return_to(shop: Workshop) -> None:
    web(shop)
    shop.run("up", "-d")
    text = (shop.folder / "compose.yaml").read_text()
    shop.write(text.replace("command: sleep 1000", "command: /no/such/program"))
    shop.run("up", "-d", code=1)
    assert told(shop)[0] == (2, "up", "failed")
    assert "service.web.1" in history(shop)[0]["Reason"]
    assert "release 2 is failed, and no state to return to" in shop.run("rollback", "2", code=1).stderr
    shop.run("rollback")
    assert told(shop)[0] == (3, "rollback to 1", "done")


def test_a_release_that_is_not_healthy_in_time_is_rolled_back_with_exit_code_3(shop: Workshop) -> None:
    check = ", healthcheck: {test: [CMD, test, -e, /ok], interval: 1s, retries: 2}}"
    line = f"services:\n  web: {{image: {shop.engine.image}, init: true, command: [sh, -c, "
    shop.write(f"{line}'touch /ok; sleep 1000']{check}\n")
    shop.run("up", "-d", "--wait")
    good = shop.inspect(f"{shop.name}-web-1")["Config"]["Cmd"]
    shop.write(f"{line}'sleep 999']{check}\n")
    done = shop.run("up", "--rollback-on-failure", "--wait-timeout", "60", code=3)
    assert "rolling back to release 1" in done.stderr
    assert shop.inspect(f"{shop.name}-web-1")["Config"]["Cmd"] == good
    assert [row[1:] for row in told(shop)[:2]] == [("rollback to 1", "done"), ("up", "failed")]


def test_a_first_release_that_fails_has_nothing_to_go_back_to(shop: Workshop) -> None:
    shop.write(f"services:\n  web: {{image: {shop.engine.image}, command: /no/such/program}}\n")
    assert "no good release before release 1" in shop.run("up", "--rollback-on-failure", code=1).stderr


def test_releases_are_compared_and_shown_without_a_sensitive_value(shop: Workshop) -> None:
    web(shop)
    shop.run("up", "-d")
    web(shop, "prod", "other-password", "a = 2\n")
    shop.run("up", "-d")
    text = shop.run("diff", "1", "2", code=1).stdout
    assert 'environment.MODE: "dev" → "prod"' in text
    assert "environment.DB_PASSWORD: (sensitive) → (sensitive)" in text
    assert f"file.{shop.folder}/app.conf" in text
    assert shop.run("diff", "2", "2").stdout == ""
    assert "has no release 9" in shop.run("diff", "1", "9", code=2).stderr
    shown = shop.run("show", "2").stdout
    assert "✔ -/+ service.web.1" in shown and "(sensitive)" in shown
    exported = shop.run("show", "2", "--format", "json").stdout
    assert json.loads(exported)["spec"]["services"]["web"]["environment"]["MODE"] == "prod"
    for secret in ("other-password", "hunter22", "binary key"):
        assert secret not in shown + exported + text


def test_a_ledger_that_can_not_be_used_costs_the_record_and_not_the_host(shop: Workshop) -> None:
    assert history(shop) == []
    web(shop)
    (state(shop) / "ledger").mkdir()
    (state(shop) / "ledger" / FILE).write_text("no database, and no ledger of ours" * 100)
    done = shop.run("up", "-d")
    assert "this release is not recorded as it should be" in done.stderr and "move it away" in done.stderr
    assert len(shop.containers()) == 1 and locks(shop) == ""
    (state(shop) / "ledger" / FILE).unlink()
    shop.run("up", "-d", "--force-recreate")
    assert told(shop) == [(1, "up", "done")]


def test_keep_lets_old_releases_go_with_their_images(shop: Workshop) -> None:
    moved = f"{shop.name}:latest"
    shop.write(f"services:\n  web: {{image: '{moved}', command: sleep 1000, init: true, stop_grace_period: 0s}}\n")
    for number in range(3):
        source = shop.docker("create", shop.engine.image).strip()
        shop.docker("commit", "-c", f"ENV N={number}", source, moved)
        shop.docker("rm", source)
        shop.run("up", "-d", "--keep", "2")
    assert [row[0] for row in told(shop)] == [3, 2]
    assert len(set(shop.docker("images", "-q", f"rorqual-keep/{shop.name}").split())) == 2


def test_on_the_embedded_engine_no_prune_takes_what_a_release_needs(ours: Workshop) -> None:
    moved, unkept, label = f"{ours.name}:latest", f"{ours.name}:unkept", f"of={ours.name}"
    ours.write(f"services:\n  web: {{image: '{moved}', command: sleep 1000, init: true, stop_grace_period: 0s}}\n")
    found = []
    for mark, name in (("ONE", moved), ("TWO", unkept), ("THREE", moved)):
        source = ours.docker("create", ours.engine.image).strip()
        ours.docker("commit", "-c", f"ENV {mark}=1", "-c", f"LABEL {label}", source, name)
        ours.docker("rm", source)
        ours.run("up", "-d")
        found.append(ours.inspect(f"{ours.name}-web-1")["Image"])
    assert found[0] == found[1] != found[2]
    ours.docker("image", "prune", "-af", "--filter", f"label={label}")
    assert ours.docker("images", "-q", unkept) == ""
    ours.run("rollback")
    assert ours.inspect(f"{ours.name}-web-1")["Image"] == found[0]


@pytest.mark.parametrize("engine", ["docker_engine", "podman_engine", "rorqual_engine"])
def test_a_second_writer_waits_in_vain_and_is_told_who_has_the_lock(
    tmp_path: Path, engine: str, request: pytest.FixtureRequest
) -> None:
    for shop in workshop(tmp_path, request.getfixturevalue(engine), request):
        check = "{test: [CMD, 'false'], interval: 1s, retries: 99}"
        slow = f"  web: {{image: IMAGE, command: sleep 1000, healthcheck: {check}}}"
        late = "  late: {image: IMAGE, command: sleep 1000, depends_on: {web: {condition: service_healthy}}}"
        shop.write(f"services:\n{slow}\n{late}\n".replace("IMAGE", shop.engine.image))
        first = begin(shop, "up", "-d")
        try:
            wait_for_lock(shop, first)
            done = shop.run("down", "--lock-timeout", "0.2", code=5)
            assert f"(process {first.pid}), running `rorqual up -d` for" in done.stderr
            assert f"rorqual-lock-{shop.name}" not in shop.run("volumes").stdout
            # killed, it leaves its lock, and whoever can prove that it is gone takes over
            first.send_signal(signal.SIGKILL)
            first.wait()
            done = shop.run("down", "-v", "-t", "0", "--lock-timeout", "0")
            assert "that process has ended" in done.stderr
            assert locks(shop) == ""
            assert [row[1:] for row in told(shop)] == [("down", "done"), ("up", "interrupted")]
        finally:
            first.kill()
            first.wait()


def test_a_lock_from_another_machine_is_taken_only_when_that_is_asked_for(shop: Workshop) -> None:
    web(shop)
    labels = {"user": "ann", "host": "elsewhere", "machine": "m2", "boot": "b2", "nonce": "n", "command": "rorqual up"}
    flags = [word for key, value in labels.items() for word in ("--label", f"io.rorqual.lock.{key}={value}")]
    shop.docker("volume", "create", *flags, f"rorqual-lock-{shop.name}")
    done = shop.run("up", "-d", "--lock-timeout", "0", code=5)
    assert "locked by ann@elsewhere" in done.stderr and "--break-lock" in done.stderr
    assert shop.containers() == {}
    shop.run("up", "-d", "--break-lock")
    assert locks(shop) == "" and len(shop.containers()) == 1
    # with nothing to write, nobody asks for it
    shop.docker("volume", "create", *flags, f"rorqual-lock-{shop.name}")
    shop.run("up", "-d", "--lock-timeout", "0")
    shop.docker("volume", "rm", f"rorqual-lock-{shop.name}")


def begin(shop: Workshop, *words: str, out: IO[bytes] | int = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "DOCKER_HOST": shop.engine.host, "COMPOSE_PROJECT_NAME": shop.name}
    return subprocess.Popen(
        [RORQUAL, *words],
        cwd=shop.folder,
        env={**environment, **shop.environment},
        stdout=out,
        stderr=out,
    )


def locks(shop: Workshop) -> str:
    return shop.docker("volume", "ls", "-q", "--filter", f"name=rorqual-lock-{shop.name}").strip()


def wait_for_lock(shop: Workshop, owner: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    # the container is there: the release has begun, and its owner waits for health
    while not (locks(shop) and shop.containers()):
        assert owner.poll() is None and time.monotonic() < deadline
        time.sleep(0.05)
