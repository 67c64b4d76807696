"""`rorqual system check`: each fault planted for real in a daemon's state, found, mended, and gone."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import anyio
import pytest

from engine.api.containers import ContainerCreate
from engine.api.system import CheckAnswer
from engine.client.session import open_client
from engine.daemon.events import EventBus
from engine.daemon.networks.opening import identity_of
from engine.daemon.networks.steward.client import StewardClient
from engine.daemon.protocols import Places
from engine.daemon.runtime import cgroups
from engine.daemon.store.records import RecordStore
from engine.daemon.volumes.check import volume_findings
from engine.daemon.volumes.volumes import LocalVolumes
from engine.kit.clock import SystemClock
from tests.engine.daemon.daemons import IMAGE, Daemon, running_daemon
from tests.engines import RunningEngine, load_image

pytestmark = [pytest.mark.root]


class Planted:
    """A daemon with a container that runs, in a network of a user's and with a port; and one that has ended."""

    def __init__(self, daemon: Daemon) -> None:
        self.daemon = daemon
        self.root, self.run = daemon.folder / "root", daemon.folder / "run"
        places = Places(self.root, self.run, daemon.folder / "engine.sock")
        self.identity, self.mark = identity_of(places), places.mark
        self.running, self.ended = anyio.run(self._containers)

    async def _containers(self) -> tuple[str, str]:
        async with open_client(self.daemon.target) as engine:
            await engine.networks.create({"Name": "own", "EnableIPv6": True})
            await engine.networks.create({"Name": "inner", "Internal": True})
            await engine.networks.create(
                {"Name": "apart", "Options": {"com.docker.network.bridge.enable_icc": "false"}}
            )
            await engine.volumes.create({"Name": "kept"})
            asked: ContainerCreate = {
                "Image": IMAGE,
                "Cmd": ["sleep", "1000"],
                "StopSignal": "SIGKILL",
                "ExposedPorts": {"80/tcp": {}},
                "HostConfig": {
                    "NetworkMode": "own",
                    "IpcMode": "shareable",
                    "PortBindings": {
                        "80/tcp": [{"HostIp": "", "HostPort": "8080"}, {"HostIp": "127.0.0.1"}, {"HostIp": "::1"}]
                    },
                },
            }
            running = (await engine.containers.create(asked, name="running"))["Id"]
            await engine.containers.start(running)
            ended = (await engine.containers.create({"Image": IMAGE, "Cmd": ["true"]}, name="ended"))["Id"]
            return running, ended

    def on_host(self, *command: str) -> str:
        """In the daemon's network namespace."""
        inside = ["nsenter", f"--net=/proc/{self.daemon.pid}/ns/net", *command]
        return subprocess.run(inside, check=True, capture_output=True, text=True).stdout

    def links(self) -> list[dict[str, str]]:
        found: list[dict[str, str]] = json.loads(self.on_host("ip", "-j", "link", "show"))
        return found

    def bridge(self) -> str:
        """Of the network `own`."""
        return next(link["master"] for link in self.links() if "master" in link)

    def port(self) -> str:
        """The running container's interface on the host."""
        return next(link["ifname"] for link in self.links() if "master" in link)

    def sql(self, statement: str, *values: str) -> None:
        with closing(sqlite3.connect(self.root / "records.db", timeout=10)) as records, records:
            records.execute(statement, values)

    def layer(self) -> Path:
        """The folder of the test image's layer."""
        return next(path for path in (self.root / "layers").iterdir() if path.is_dir() and path.name != "0")


@pytest.fixture(scope="module")
def planted() -> Iterator[Planted]:
    with running_daemon() as daemon:
        yield Planted(daemon)


def check(planted: Planted, *flags: str) -> tuple[int, CheckAnswer]:
    command = [sys.executable, "-m", "engine.cli.main", "-H", planted.daemon.target.address, "system", "check"]
    done = subprocess.run([*command, "--format", "json", *flags], check=False, capture_output=True, text=True)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def test_the_text_says_what_is_wrong_and_what_was_done(planted: Planted) -> None:
    command = [sys.executable, "-m", "engine.cli.main", "-H", planted.daemon.target.address, "system", "check"]
    name = blob_of_no_image(planted)
    found = subprocess.run(command, check=False, capture_output=True, text=True)
    assert found.stdout == f"~ blob sha256:{name}: no image names it\n    remove it\n1 finding\n"
    assert found.stderr == "`rorqual system check --mend` mends what is marked ~\n"
    mended = subprocess.run([*command, "--mend"], check=False, capture_output=True, text=True)
    assert mended.stdout == f"+ blob sha256:{name}: no image names it\n1 mended, nothing wrong\n"
    assert subprocess.run(command, check=False, capture_output=True, text=True).stdout == "nothing wrong\n"


def stray_folder(*parts: str, mounted: bool = False) -> Callable[[Planted], str]:
    def plant(planted: Planted) -> str:
        path = planted.daemon.folder.joinpath(*parts)
        (path / "deeper").mkdir(parents=True)
        if mounted:
            subprocess.run(
                ["nsenter", f"--mount=/proc/{planted.daemon.pid}/ns/mnt", "mount", "-t", "tmpfs", "leak", str(path)],
                check=True,
            )
        return str(path)

    return plant


def blob_of_no_image(planted: Planted) -> str:
    content = b"nobody names this"
    name = hashlib.sha256(content).hexdigest()
    (planted.root / "content" / "blobs" / "sha256" / name).write_bytes(content)
    return name


def damaged_blob_of_no_image(planted: Planted) -> str:
    (planted.root / "content" / "blobs" / "sha256" / ("a" * 64)).write_bytes(b"not that digest's")
    return "a" * 64


def damaged_record(planted: Planted) -> str:
    planted.sql("UPDATE records SET record = '{' WHERE kind = 'container' AND id = ?", planted.ended)
    return planted.ended


def lost_record(planted: Planted) -> str:
    planted.sql("DELETE FROM records WHERE kind = 'snapshot' AND id = ?", planted.running)
    return planted.running


def lost_layer_record(planted: Planted) -> str:
    planted.sql("DELETE FROM records WHERE kind = 'layer'")
    return "sha256:"


def lost_record_of(kind: str, what: str) -> Callable[[Planted], str]:
    def plant(planted: Planted) -> str:
        planted.sql("DELETE FROM records WHERE kind = ?", kind)
        return what

    return plant


def lost_volume_folder(planted: Planted) -> str:
    (planted.root / "volumes" / "kept" / "_data").rmdir()
    return "kept"


def senseless_record(planted: Planted) -> str:
    planted.sql("INSERT INTO records VALUES ('container', 'senseless', '{}')")
    return "senseless"


def lost_home(planted: Planted) -> str:
    home = planted.root / "containers" / planted.ended
    home.rmdir()
    return str(home)


def left_cgroup(name: str | None = None) -> Callable[[Planted], str]:
    def plant(planted: Planted) -> str:
        for root in set(cgroups.hierarchies().values()):
            (root / f"rorqual-{planted.mark}" / (name or planted.ended)).mkdir(parents=True)
        return name or planted.ended

    return plant


def left_bridge(planted: Planted) -> str:
    planted.on_host("ip", "link", "add", "left0", "group", str(planted.identity.group), "type", "bridge")
    return "left0"


def left_veth(planted: Planted) -> str:
    group = str(planted.identity.group)
    planted.on_host("ip", "link", "add", "left1", "group", group, "type", "veth", "peer", "name", "left2")
    return "left1"


def lost_bridge(planted: Planted) -> str:
    bridge = planted.bridge()
    planted.on_host("ip", "link", "delete", bridge)
    return bridge


def lost_veth(planted: Planted) -> str:
    port = planted.port()
    planted.on_host("ip", "link", "delete", port)
    return port


def left_rule(planted: Planted) -> str:
    element = "{ tcp . 9999 : 10.9.9.9 . 80 }"
    planted.on_host("nft", "add", "element", "inet", planted.identity.table, "any4", element)
    return "tcp . 9999 : 10.9.9.9 . 80"


def lost_rule(planted: Planted) -> str:
    planted.on_host("nft", "flush", "chain", "inet", planted.identity.table, "inbound")
    return "rules in place of"


def left_network_record(planted: Planted) -> str:
    path = planted.run / "networks" / "containers" / "nobody.json"
    path.write_text("{}")
    return str(path)


def tenant_of_the_past(planted: Planted) -> str:
    """The steward holds look-ups for a container that is no more."""

    async def put() -> None:
        steward = StewardClient(planted.run / "networks")
        await steward.put({"id": "n" * 64, "members": [], "links": {}, "upstreams": None, "forwards": False}, [])
        steward.close()

    anyio.run(put)
    return "n" * 64


PLANTS: dict[str, Callable[[Planted], str]] = {
    "a blob that no image names": blob_of_no_image,
    "a damaged blob": damaged_blob_of_no_image,
    "a layer's folder": stray_folder("root", "layers", "zz"),
    "a snapshot's folder": stray_folder("root", "snapshots", "nobody"),
    "a container's folder": stray_folder("root", "containers", "nobody"),
    "a container's files": stray_folder("run", "files", "nobody"),
    "a bundle": stray_folder("run", "c", "nobody"),
    "a runtime's state": stray_folder("run", "oci", "nobody"),
    "a leaked mount": stray_folder("run", "c", "other", mounted=True),
    "shared memory": stray_folder("run", "shm", "nobody", mounted=True),
    "a damaged record": damaged_record,
    "a lost record": lost_record,
    "a lost record of a layer": lost_layer_record,
    "a lost record of an image": lost_record_of("image", IMAGE),
    "lost names of images": lost_record_of("image-name", IMAGE),
    "a lost record of a network": lost_record_of("network", "own"),
    "a lost record of a volume": lost_record_of("volume", "kept"),
    "a volume's folder that is gone": lost_volume_folder,
    "a record that means nothing": senseless_record,
    "a container's folder that is gone": lost_home,
    "a cgroup": left_cgroup(),
    "a cgroup of nobody's": left_cgroup("c" * 64),
    "a cache mount's folder": stray_folder("root", "build-cache", "nobody"),
    "a build's work folder": stray_folder("run", "builds", "nobody", mounted=True),
    "a tenant of the steward's": tenant_of_the_past,
    "a bridge": left_bridge,
    "a veth": left_veth,
    "a bridge that is gone": lost_bridge,
    "a veth that is gone": lost_veth,
    "an element of the firewall's": left_rule,
    "rules that are gone": lost_rule,
    "a record of a network": left_network_record,
}


def test_a_sound_engine_has_no_findings(planted: Planted) -> None:
    assert check(planted) == (0, {"Findings": [], "Mended": []})


@pytest.mark.parametrize("plant", PLANTS.values(), ids=PLANTS.keys())
def test_what_is_planted_is_found_mended_and_gone(planted: Planted, plant: Callable[[Planted], str]) -> None:
    what = plant(planted)
    code, found = check(planted)
    assert code == 1
    assert any(what in f"{one['What']} {one['Fault']}" and one["Mendable"] for one in found["Findings"]), found
    code, after = check(planted, "--mend")
    assert (code, after["Findings"]) == (0, [])
    assert any(what in f"{one['What']} {one['Fault']}" for one in after["Mended"]), after
    assert check(planted) == (0, {"Findings": [], "Mended": []})
    assert os.path.exists(f"/proc/{pid_of(planted)}"), "what runs is not touched"


def pid_of(planted: Planted) -> int:
    async def run() -> int:
        async with open_client(planted.daemon.target) as engine:
            state = (await engine.containers.inspect("running"))["State"]
            assert state["Status"] == "running"
            return state["Pid"]

    return anyio.run(run)


@pytest.mark.parametrize("plant", [lost_bridge, lost_veth])
def test_a_container_that_lost_its_link_reaches_its_gateway_when_it_is_mended(
    planted: Planted, plant: Callable[[Planted], str]
) -> None:
    plant(planted)
    assert check(planted, "--mend")[0] == 0
    # nobody listens there: a refusal is an answer
    knock = f"import socket; print(socket.socket().connect_ex(({anyio.run(gateway_of, planted)!r}, 1)))"
    inside = ["nsenter", f"--net=/proc/{pid_of(planted)}/ns/net", sys.executable, "-c", knock]
    answer = subprocess.run(inside, check=True, capture_output=True, text=True).stdout
    assert int(answer) == errno.ECONNREFUSED


async def gateway_of(planted: Planted) -> str:
    async with open_client(planted.daemon.target) as engine:
        networks = (await engine.containers.inspect("running"))["NetworkSettings"]["Networks"]
        assert networks is not None
        return networks["own"]["Gateway"]


def test_an_image_s_damaged_blob_is_taken_away_and_comes_back_with_a_load(planted: Planted) -> None:
    for blob in (planted.root / "content" / "blobs" / "sha256").iterdir():
        blob.write_bytes(b"damaged")
    code, found = check(planted, "--mend")
    assert code == 1
    assert ["damaged" in one["Fault"] for one in found["Mended"]] == [True]
    [left] = found["Findings"]
    assert "missing" in left["Fault"] and not left["Mendable"]
    assert IMAGE in left["Remedy"]
    anyio.run(load_image, planted.daemon.engine)
    assert check(planted)[0] == 0


def test_loading_an_image_again_puts_its_damaged_blobs_right(planted: Planted) -> None:
    for blob in (planted.root / "content" / "blobs" / "sha256").iterdir():
        blob.write_bytes(b"damaged")
    assert check(planted)[0] == 1
    anyio.run(load_image, planted.daemon.engine)
    assert check(planted) == (0, {"Findings": [], "Mended": []})


def test_a_layer_whose_files_were_changed_is_told_and_left_to_a_person(planted: Planted) -> None:
    file = next(path for path in sorted(planted.layer().rglob("*")) if path.is_file() and not path.is_symlink())
    before = file.read_bytes()
    file.write_bytes(before[:-1] + b"!" if before else b"!")
    code, found = check(planted, "--mend")
    assert (code, found["Mended"]) == (1, [])
    [left] = found["Findings"]
    assert (left["Kind"], left["Mendable"]) == ("layer", False)
    file.write_bytes(before)
    assert check(planted)[0] == 0


def test_a_volume_s_folder_without_a_record_is_told_and_its_data_stays(planted: Planted) -> None:
    data = planted.root / "volumes" / "found" / "_data" / "file"
    data.parent.mkdir(parents=True)
    data.write_text("precious")
    code, found = check(planted, "--mend")
    assert code == 1
    [left] = found["Findings"]
    assert "create a volume found" in left["Remedy"]
    anyio.run(create_volume, planted, "found")
    assert check(planted)[0] == 0
    assert data.read_text() == "precious"


async def create_volume(planted: Planted, name: str) -> None:
    async with open_client(planted.daemon.target) as engine:
        await engine.volumes.create({"Name": name})


def test_a_volume_is_let_go_of_when_its_container_s_record_was_lost() -> None:
    async def hold(daemon: Daemon) -> str:
        async with open_client(daemon.target) as engine:
            asked: ContainerCreate = {"Image": IMAGE, "Cmd": ["true"], "HostConfig": {"Binds": ["held:/data"]}}
            return (await engine.containers.create(asked, name="lost"))["Id"]

    async def remove(daemon: Daemon) -> None:
        async with open_client(daemon.target) as engine:
            await engine.volumes.remove("held")

    with running_daemon() as daemon:
        planted = Planted(daemon)
        id = anyio.run(hold, daemon)
        daemon.kill()
        planted.sql("UPDATE records SET record = '{' WHERE kind = 'container' AND id = ?", id)
        daemon.start()
        anyio.run(remove, daemon)
        code, found = check(planted, "--mend")
        assert (code, found["Findings"]) == (0, [])
        assert [one["What"] for one in found["Mended"]] == [id]
        assert check(planted)[0] == 0


@pytest.mark.anyio
async def test_a_volume_that_a_container_of_the_past_holds_is_found_and_let_go(tmp_path: Path) -> None:
    store = RecordStore(tmp_path / "records.db")
    volumes = LocalVolumes(tmp_path / "volumes", store, EventBus(SystemClock()), SystemClock())
    for name, holder in (("old", "gone"), ("new", "here")):
        await volumes.create({"Name": name})
        await volumes.acquire(name, holder)
    [found] = await volume_findings(volumes, lambda: {"here"})
    assert found.what == "old" and found.mend is not None
    await found.mend()
    assert (volumes.held(), await volume_findings(volumes, lambda: {"here"})) == ([("new", "here")], [])
    store.close()


def test_what_is_under_way_is_no_finding(planted: Planted) -> None:
    """Starts, ends and removals all the time, and checks beside them."""

    async def run() -> None:
        async with open_client(planted.daemon.target) as engine, anyio.create_task_group() as tasks:

            async def churn(number: int) -> None:
                asked: ContainerCreate = {"Image": IMAGE, "Cmd": ["true"], "HostConfig": {"NetworkMode": "own"}}
                for _ in range(4):
                    made = await engine.containers.create(asked, name=f"churn-{number}")
                    await engine.containers.start(made["Id"])
                    await engine.containers.remove(made["Id"], force=True)

            for number in range(3):
                tasks.start_soon(churn, number)
            for _ in range(8):
                assert (await engine.system.check(mend=False))["Findings"] == []

    anyio.run(run)


def test_another_engine_has_no_check_and_the_command_says_so(docker_engine: RunningEngine) -> None:
    command = [sys.executable, "-m", "engine.cli.main", "-H", f"unix://{docker_engine.socket}", "system", "check"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 1
    assert "only Rorqual's embedded engine has one" in done.stderr
