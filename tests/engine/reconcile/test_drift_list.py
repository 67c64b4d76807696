"""What can be changed behind our back, one by one, on every engine: each is named as what it is, and `up` mends it with
the calls that it takes and no other. One project stands for all tests of an engine; each leaves it as it was.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.engines import RunningEngine
from tests.faults import Relay
from tests.workshop import RORQUAL, Workshop

pytestmark = pytest.mark.root
MIB = 1 << 20
FILES = {"app.conf": "a = 1\n", "key": "correct horse\n", "site.conf": "site = 1\n"}
SHOP = """
services:
  web:
    image: {image}
    command: sleep 1000
    stop_grace_period: 0s
    environment: {{MODE: dev}}
    mem_limit: 64m
    restart: unless-stopped
    networks: [front]
    configs: [{{source: app, target: /etc/app.conf}}]
    secrets: [key]
    volumes: ["./site.conf:/site.conf:ro"]
    ports: ["127.0.0.1:18099:99"]
  db: {{image: {image}, command: sleep 1000, stop_grace_period: 0s, networks: [front]{health}}}
  quiet: {{image: {image}, command: sleep 1000, stop_grace_period: 0s, networks: [front]}}
networks: {{front: }}
configs: {{app: {{file: ./app.conf}}}}
secrets: {{key: {{file: ./key}}}}
"""
# Podman's health checks need systemd, which isn't here.
HEALTH = ", healthcheck: {test: [CMD, test, '!', -e, /sick], interval: 300ms, retries: 1}"
# A container made anew: what is asked of the engine for that.
REPLACED = ["archive", "create", "remove", "rename", "start", "stop"]


class Stood(Workshop):
    """The project as it stands, and what a change by hand comes to."""

    def drift(self, *words: str, code: int = 1) -> dict[tuple[str, str | None], tuple[Any, Any]]:
        """(object, field) → live, desired."""
        document = json.loads(self.run("drift", "--no-registry", "--format", "json", *words, code=code).stdout)
        return {(d["address"], d["path"]): (d["live"], d["desired"]) for d in document["drift"]}

    def mended(self, *words: str) -> list[str]:
        """The calls that `up` writes with, by their last word; the lock, the images' names and questions left out."""
        relay = Relay(self.engine.socket, self.folder / "relay.sock")
        given = [f"COMPOSE_PROJECT_NAME={self.name}", f"RORQUAL_STATE={self.environment['RORQUAL_STATE']}"]
        done = relay.run(["env", *given, RORQUAL, "up", "-d", *words], self.folder)
        assert done.returncode == 0, done.stderr
        calls = [call.partition("?")[0] for call in relay.calls if "rorqual-asks-whether" not in call]
        calls = [call for call in calls if "rorqual-lock-" not in call and "/volumes/create" not in call]
        return sorted(word for call in calls if (word := word_of(call)) != "tag")

    def of(self, service: str) -> str:
        return f"{self.name}-{service}-1"

    @property
    def front(self) -> str:
        return f"{self.name}_front"

    @property
    def in_place(self) -> bool:
        """Whether the engine changes limits and restart policies of what runs."""
        return self.engine.kind != "podman"

    def remake(self, *flags: str, command: Sequence[str] = ("sleep", "1000"), labels: bool = True) -> None:
        """Replace web by hand: the same but for the flags."""
        self.docker("rm", "-f", self.of("web"))
        marks = {"project": self.name, "service": "web", "container-number": "1", "oneoff": "False"}
        named = [w for k, v in marks.items() for w in ("--label", f"com.docker.compose.{k}={v}")] if labels else []
        base = ["--network", self.front, "--name", self.of("web"), "--memory", "64m", "--restart"]
        self.docker("run", "-d", *base, "unless-stopped", *named, *flags, self.engine.image, *command)


def word_of(call: str) -> str:
    method, _, path = call.partition(" ")
    return "remove" if method == "DELETE" else path.rpartition("/")[2]


# Podman takes its time: of it the whole list is for `make chaos`.
EVERYWHERE = ["docker_engine", "rorqual_engine", *(["podman_engine"] if os.environ.get("RORQUAL_CHAOS") else [])]


@pytest.fixture(scope="module", params=EVERYWHERE)
def stood(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stood]:
    yield from standing(request.getfixturevalue(request.param), tmp_path_factory.mktemp("stood"))


@pytest.fixture
def on_podman(podman_engine: RunningEngine, tmp_path: Path) -> Iterator[Stood]:
    yield from standing(podman_engine, tmp_path)


def standing(engine: RunningEngine, folder: Path) -> Iterator[Stood]:
    found = Stood(folder, engine, f"list{os.getpid()}", {"RORQUAL_STATE": str(folder / "state")})
    with found:
        for file, text in FILES.items():
            (folder / file).write_text(text)
        health = "" if engine.kind == "podman" else HEALTH
        found.write(SHOP.format(image=engine.image, health=health))
        found.run("up", "-d")
        yield found


@pytest.fixture
def shop(stood: Stood) -> Iterator[Stood]:
    """As it was brought out, before and after; nobody touches `quiet`."""
    before = stood.containers()[stood.of("quiet")]
    yield stood
    assert stood.drift(code=0) == {}
    assert stood.containers()[stood.of("quiet")] == before


def test_a_missing_container(shop: Stood) -> None:
    shop.docker("rm", "-f", shop.of("db"))
    assert shop.drift() == {("service.db.1", None): (None, "there")}
    assert shop.mended() == ["create", "start"]


def test_a_stopped_one(shop: Stood) -> None:
    shop.docker("stop", "-t", "0", shop.of("db"))
    assert shop.drift() == {("service.db.1", "state"): ("exited", "running")}
    assert shop.mended() == ["start"]


def test_an_unhealthy_one_which_up_leaves_to_its_log(shop: Stood) -> None:
    if shop.engine.kind == "podman":
        pytest.skip("Podman checks health by systemd's timers")

    def health() -> str:
        return str(shop.inspect(shop.of("db"))["State"]["Health"]["Status"])

    shop.docker("exec", shop.of("db"), "touch", "/sick")
    until(lambda: health() == "unhealthy")
    assert shop.drift() == {("service.db.1", "health"): ("unhealthy", "healthy")}
    assert shop.mended() == []
    shop.docker("exec", shop.of("db"), "rm", "/sick")
    until(lambda: health() == "healthy")


def test_a_renamed_one(shop: Stood) -> None:
    shop.docker("rename", shop.of("db"), f"{shop.name}-other")
    assert shop.drift() == {("service.db.1", "container_name"): (f"{shop.name}-other", shop.of("db"))}
    assert shop.mended() == ["rename"]


def test_a_network_that_somebody_attached(shop: Stood) -> None:
    shop.docker("network", "create", f"{shop.name}-alien")
    shop.docker("network", "connect", f"{shop.name}-alien", shop.of("db"))
    assert shop.drift() == {("service.db.1", f"networks.{shop.name}-alien"): ("connected", None)}
    assert shop.mended() == ["disconnect"]
    shop.docker("network", "rm", f"{shop.name}-alien")


def test_a_network_that_somebody_detached(shop: Stood) -> None:
    shop.docker("network", "disconnect", "-f", shop.front, shop.of("db"))
    assert shop.drift() == {("service.db.1", f"networks.{shop.front}"): (None, "connected")}
    assert shop.mended() == ["connect"]


def test_a_network_of_the_project_that_has_gone(shop: Stood) -> None:
    for service in ("web", "db", "quiet"):
        shop.docker("network", "disconnect", "-f", shop.front, shop.of(service))
    shop.docker("network", "rm", shop.front)
    found = shop.drift()
    assert found["network.front", None] == (None, "there")
    services = {address for address, path in found if path == f"networks.{shop.front}"}
    assert services == {"service.web.1", "service.db.1", "service.quiet.1"} and len(found) == 4
    assert shop.mended() == ["connect", "connect", "connect", "create"]


def test_a_foreign_network_under_the_projects_label(shop: Stood) -> None:
    name = f"{shop.name}-old"
    shop.docker("network", "create", "--label", f"com.docker.compose.project={shop.name}", name)
    assert shop.drift() == {(f"network.{name}", None): ("there", None)}
    assert shop.mended() == []
    shop.docker("network", "rm", name)


def test_a_changed_limit(shop: Stood) -> None:
    if not shop.in_place:
        pytest.skip("Podman 4.3 changes no limit of what runs")
    shop.docker("update", "--memory", "96m", "--memory-swap", "192m", shop.of("web"))
    assert shop.drift() == {("service.web.1", "mem_limit"): (96 * MIB, 64 * MIB)}
    assert shop.mended() == ["update"]


def test_a_changed_restart_policy(shop: Stood) -> None:
    if not shop.in_place:
        pytest.skip("Podman 4.3 changes no restart policy of what runs")
    shop.docker("update", "--restart", "no", shop.of("web"))
    assert shop.drift() == {("service.web.1", "restart"): (None, "unless-stopped")}
    assert shop.mended() == ["update"]


def test_a_replacement_by_hand_with_other_environment_command_mounts_and_ports(shop: Stood) -> None:
    shop.remake("-e", "MODE=hacked", "-v", "/tmp:/data", "-p", "127.0.0.1:18098:98", command=("sleep", "999"))
    found = shop.drift()
    assert found["service.web.1", "environment.MODE"] == ("hacked", "dev")
    assert found["service.web.1", "command"] == (["sleep", "999"], ["sleep", "1000"])
    assert found["service.web.1", "volumes./data"] == ("bind /tmp", None)
    assert found["service.web.1", "ports.98/tcp"][1] is None
    assert found["service.web.1", "ports.99/tcp"][0] is None
    assert {address for address, _ in found} == {"service.web.1"}
    assert set(shop.mended()) <= set(REPLACED)


def test_a_replacement_by_hand_that_bears_none_of_the_labels(shop: Stood) -> None:
    shop.remake("-e", "MODE=hacked", labels=False)
    found = shop.drift()
    assert found["service.web.1", "labels"] == ("of no project", "of this project")
    assert found["service.web.1", "environment.MODE"] == ("hacked", "dev")
    shop.docker("rm", "-f", shop.of("web"))
    assert shop.mended()[-1] == "start"


def test_changed_contents_of_a_config_a_secret_and_a_mounted_file(shop: Stood) -> None:
    for file in FILES:
        (shop.folder / file).write_text("battery staple\n")
    found = shop.drift()
    fields = {"content./etc/app.conf", "content./run/secrets/key", "content./site.conf"}
    assert set(found) == {("service.web.1", field) for field in fields}
    assert [path for (_, path), both in found.items() if both == ("(sensitive)", "(sensitive)")] == [
        "content./run/secrets/key"
    ]
    assert set(shop.mended()) <= set(REPLACED)
    for file, text in FILES.items():
        (shop.folder / file).write_text(text)
    shop.mended()


def test_a_foreign_container_under_the_projects_labels(shop: Stood) -> None:
    labels = {"project": shop.name, "service": "alien", "container-number": "1", "oneoff": "False"}
    flags = [w for k, v in labels.items() for w in ("--label", f"com.docker.compose.{k}={v}")]
    shop.docker(
        "run", "-d", "--stop-timeout", "1", *flags, "--name", shop.of("alien"), shop.engine.image, "sleep", "1000"
    )
    assert shop.drift() == {("service.alien.1", None): (shop.of("alien"), None)}
    assert shop.mended() == []
    assert set(shop.mended("--remove-orphans")) == {"remove", "stop"}


def test_on_podman_several_at_once(on_podman: Stood) -> None:
    shop, label = on_podman, f"com.docker.compose.project={on_podman.name}"
    assert shop.drift(code=0) == {}
    shop.docker("rm", "-f", shop.of("db"))
    shop.docker("network", "create", "--label", label, f"{shop.name}-alien")
    shop.docker("network", "connect", f"{shop.name}-alien", shop.of("quiet"))
    shop.docker("rename", shop.of("quiet"), f"{shop.name}-other")
    shop.remake("-e", "MODE=hacked", command=("sleep", "999"))
    found = shop.drift()
    assert found["service.db.1", None] == (None, "there")
    assert found["service.quiet.1", f"networks.{shop.name}-alien"] == ("connected", None)
    assert found["service.quiet.1", "container_name"] == (f"{shop.name}-other", shop.of("quiet"))
    assert found["service.web.1", "environment.MODE"] == ("hacked", "dev")
    assert found["service.web.1", "command"] == (["sleep", "999"], ["sleep", "1000"])
    assert found[f"network.{shop.name}-alien", None] == ("there", None)
    assert {address for address, _ in found if address.startswith("service")} == {
        "service.web.1",
        "service.db.1",
        "service.quiet.1",
    }
    quiet = shop.containers()[f"{shop.name}-other"]
    assert set(shop.mended()) <= {*REPLACED, "disconnect"}
    shop.docker("network", "rm", f"{shop.name}-alien")
    assert shop.drift(code=0) == {} and shop.containers()[shop.of("quiet")] == quiet


def until(condition: Any, patience_seconds: float = 40) -> None:
    deadline = time.monotonic() + patience_seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)
