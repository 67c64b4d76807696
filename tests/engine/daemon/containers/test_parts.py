"""Mounts of a part of a volume or of an image: what lies there, read-only where it must be, and never the host's."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.busybox import REFERENCE
from tests.engine.daemon.api import Api
from tests.engine.daemon.tars import docker_archive, folder, link, member, tar_of
from tests.engine.daemon.test_races import swap
from tests.engines import RunningEngine

pytestmark = pytest.mark.root
JSON = {"Content-Type": "application/json"}
BASE = tar_of(
    folder("etc"), member("etc/below", content=b"of the base"), folder("conf"), member("conf/a", content=b"a")
)
TOP = tar_of(folder("conf"), member("conf/b", content=b"b"), link("conf/out", "/etc"), link("way", "conf"))


@pytest.fixture
def api(engine: RunningEngine) -> Iterator[Api]:
    api = Api(engine.socket)
    api.load(docker_archive([BASE, TOP], ["parts:1"]))
    api.load(docker_archive([BASE], ["parts:single"]))
    yield api
    for container in api.call("GET", "/containers/json?all=1")[1]:
        api.call("DELETE", f"/containers/{container['Id']}?force=1&v=1")
    api.close()


def create(api: Api, mount: dict[str, Any], *command: str) -> tuple[int, Any]:
    body = {
        "Image": REFERENCE,
        "Cmd": command,
        "HostConfig": {"Mounts": [{"Target": "/m", **mount}], "NetworkMode": "none"},
    }
    return api.call("POST", "/containers/create", json.dumps(body).encode(), **JSON)


def said(api: Api, mount: dict[str, Any], *command: str) -> str:
    """What the command printed, or the fault of the start."""
    status, made = create(api, mount, *command)
    assert status == 201, made
    status, answer = api.call("POST", f"/containers/{made['Id']}/start")
    if status != 204:
        return str(answer["message"])
    api.call("POST", f"/containers/{made['Id']}/wait")
    logs = api.call("GET", f"/containers/{made['Id']}/logs?stdout=1&stderr=1")[1]
    # frames of a few bytes each: the text without their heads
    text, at = b"", 0
    while at < len(logs):
        length = int.from_bytes(logs[at + 4 : at + 8], "big")
        text, at = text + logs[at + 8 : at + 8 + length], at + 8 + length
    return text.decode()


def image(name: str, subpath: str = "") -> dict[str, Any]:
    return {"Type": "image", "Source": name, **({"ImageOptions": {"Subpath": subpath}} if subpath else {})}


def test_an_image_is_mounted_whole_with_all_its_layers_and_can_not_be_written(api: Api) -> None:
    assert said(api, image("parts:1"), "cat", "/m/conf/a", "/m/conf/b", "/m/etc/below") == "abof the base"
    assert said(api, image("parts:single"), "ls", "/m") == "conf\netc\n"
    assert "Read-only file system" in said(api, image("parts:1"), "touch", "/m/new")
    assert "Read-only file system" in said(api, image("parts:single"), "touch", "/m/new")


def test_a_subpath_of_an_image_is_a_folder_or_a_file_and_stays_within_it(api: Api) -> None:
    assert said(api, image("parts:1", "conf"), "ls", "/m") == "a\nb\nout\n"
    assert said(api, image("parts:1", "way"), "ls", "/m") == "a\nb\nout\n"
    assert said(api, image("parts:1", "conf/b"), "cat", "/m") == "b"
    assert said(api, image("parts:1", "conf/out"), "ls", "/m") == "below\n", "the image's /etc, not the host's"
    assert "cannot access path parts:1/nothing" in said(api, image("parts:1", "nothing"), "ls", "/m")


def test_an_image_that_is_not_here_is_said_at_create_and_one_that_is_mounted_outlives_its_name(api: Api) -> None:
    status, answer = create(api, image("never:1"), "ls")
    assert (status, answer["message"]) == (400, "No such image: never:1: pull it for the mount at /m")
    status, made = create(api, image("parts:1", "conf"), "cat", "/m/b")
    assert status == 201
    [shown] = api.call("GET", f"/containers/{made['Id']}/json")[1]["Mounts"]
    assert (shown["Type"], shown["Source"], shown["RW"]) == ("image", "parts:1", False)
    assert api.call("DELETE", "/images/parts:1")[0] == 200
    assert api.call("POST", f"/containers/{made['Id']}/start")[0] == 204
    assert api.call("POST", f"/containers/{made['Id']}/wait")[1]["StatusCode"] == 0


def volume_place(api: Api, name: str) -> Path:
    api.call("POST", "/volumes/create", json.dumps({"Name": name}).encode(), **JSON)
    return Path(api.call("GET", f"/volumes/{name}")[1]["Mountpoint"])


def volume(name: str, subpath: str) -> dict[str, Any]:
    return {"Type": "volume", "Source": name, "VolumeOptions": {"Subpath": subpath}}


def test_a_volume_s_subpath_is_written_to_and_its_links_lead_nowhere_else(api: Api) -> None:
    place = volume_place(api, "part")
    (place / "sub").mkdir()
    (place / "sub/file").write_text("inside")
    (place / "out").symlink_to("/etc")
    (place / "up").symlink_to("../../../../../../etc")
    assert said(api, volume("part", "sub"), "sh", "-c", "cat /m/file; echo more >/m/new") == "inside"
    assert (place / "sub/new").read_text() == "more\n"
    assert said(api, volume("part", "sub/file"), "cat", "/m") == "inside"
    for name in ("out", "up", "none"):
        assert "cannot access path" in said(api, volume("part", name), "ls", "/m")


def test_a_subpath_that_is_swapped_for_a_link_while_containers_start_never_shows_the_host(
    api: Api, tmp_path: Path
) -> None:
    place = volume_place(api, "swapped")
    (place / "sub").mkdir()
    (place / "sub" / "mine").touch()
    (tmp_path / "secret").touch()
    (place / "way").symlink_to(tmp_path)
    over = threading.Event()

    def attack() -> None:
        while not over.is_set():
            swap(str(place / "sub"), str(place / "way"))

    attacker = threading.Thread(target=attack)
    attacker.start()
    try:
        told = {said(api, volume("swapped", "sub"), "ls", "/m").partition(":")[0] for _ in range(12)}
    finally:
        over.set()
        attacker.join()
    assert told <= {"mine\n", f"cannot access path {place}/sub"}


def test_a_stopped_container_s_subpath_is_copied_from_within_its_volume_alone(api: Api, tmp_path: Path) -> None:
    place = volume_place(api, "copied")
    (place / "sub").symlink_to(tmp_path)
    (tmp_path / "secret").write_text("of the host")
    status, made = create(api, volume("copied", "sub"), "ls")
    assert status == 201
    status, answer = api.call("GET", f"/containers/{made['Id']}/archive?path=/m/secret")
    assert status == 404, answer
    upload = tar_of(member("planted", content=b"x"))
    assert api.call("PUT", f"/containers/{made['Id']}/archive?path=/m", upload)[0] in (200, 404)
    assert not (tmp_path / "planted").exists()
