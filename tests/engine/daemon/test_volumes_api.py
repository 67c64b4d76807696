"""Volumes over the API of a running daemon: made, filled from images, held, mounted as their options say, removed."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.engine.daemon.api import Api
from tests.engine.daemon.tars import docker_archive, folder, link, member, tar_of
from tests.engines import RunningEngine

pytestmark = pytest.mark.root
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def api(engine: RunningEngine) -> Iterator[Api]:
    api = Api(engine.socket)
    yield api
    for container in api.call("GET", "/containers/json?all=1")[1]:
        api.call("DELETE", f"/containers/{container['Id']}?force=1&v=1")
    for volume in api.call("GET", "/volumes")[1]["Volumes"]:
        assert api.call("DELETE", f"/volumes/{volume['Name']}")[0] == 204
    api.close()


def make(api: Api, **body: Any) -> tuple[int, Any]:
    return api.call("POST", "/volumes/create", json.dumps(body).encode(), **JSON)


def container(api: Api, image: str, *binds: str) -> str:
    body = {"Image": image, "Cmd": ["x"], "HostConfig": {"Binds": binds, "NetworkMode": "none"}}
    status, made = api.call("POST", "/containers/create", json.dumps(body).encode(), **JSON)
    assert status == 201, made
    return str(made["Id"])


def place_of(api: Api, name: str) -> Path:
    return Path(api.call("GET", f"/volumes/{name}")[1]["Mountpoint"])


# several layers, so that the image is an overlay; and folders that the machine has too, with other things in them
BASE = tar_of(folder("etc"), member("etc/ours", content=b"of the image"), folder("gone"), member("gone/x"))
TOP = tar_of(
    folder("etc", mode=0o1750, uid=71, gid=72),
    member("etc/second", content=b"2", mode=0o4711, uid=5),
    link("etc/away", "/etc/passwd"),
    member("etc/.wh.ours"),
    link("var", "/etc"),
    link("out", "../../../../../../etc"),
)


@pytest.mark.parametrize("path", ["/etc", "/var", "/out", "/gone/../etc/"])
def test_an_empty_volume_is_filled_from_the_image_and_never_from_the_host(api: Api, path: str) -> None:
    api.load(docker_archive([BASE, TOP], ["fill:1"]))
    container(api, "fill:1", f"data:{path}")
    place = place_of(api, "data")
    assert sorted(os.listdir(place)) == ["away", "second"]
    assert (stat.S_IMODE(place.stat().st_mode), place.stat().st_uid, place.stat().st_gid) == (0o1750, 71, 72)
    second = (place / "second").stat()
    assert (stat.S_IMODE(second.st_mode), second.st_uid, (place / "second").read_bytes()) == (0o4711, 5, b"2")
    assert os.readlink(place / "away") == "/etc/passwd"


def test_a_volume_with_content_and_a_nocopy_one_are_left_as_they_are(api: Api) -> None:
    api.load(docker_archive([BASE, TOP], ["fill:1"]))
    make(api, Name="full")
    (place_of(api, "full") / "mine").write_text("kept")
    container(api, "fill:1", "full:/etc", "bare:/var:nocopy")
    assert os.listdir(place_of(api, "full")) == ["mine"]
    assert os.listdir(place_of(api, "bare")) == []


def test_a_held_volume_is_not_removed_by_force_either(api: Api, engine: RunningEngine) -> None:
    id = container(api, engine.image, "held:/data")
    for query in ("", "?force=1"):
        status, answer = api.call("DELETE", f"/volumes/held{query}")
        assert status == 409 and id in answer["message"]
    assert api.call("DELETE", f"/containers/{id}")[0] == 204
    assert api.call("DELETE", "/volumes/held")[0] == 204
    assert api.call("DELETE", "/volumes/held")[0] == 404
    assert api.call("DELETE", "/volumes/held?force=1")[0] == 204


def test_a_name_is_made_once_and_a_bad_one_never(api: Api) -> None:
    first, again = make(api, Name="twice", Labels={"a": "b"}), make(api, Name="twice")
    assert first[0] == again[0] == 201 and first[1] == again[1]
    for name in ("x", "../up", "a/b", ".hidden", "y" * 300):
        status, answer = make(api, Name=name)
        assert status == 400 and ("includes invalid characters" in answer["message"] or len(name) == 1)
    assert make(api, Driver="nfs-of-others")[0] == 404
    assert make(api, Name="opts", DriverOpts={"colour": "red"})[0] == 400
    assert make(api, Name="opts", DriverOpts={"type": "tmpfs"})[0] == 400


def test_driver_options_mount_what_they_say(api: Api, engine: RunningEngine, tmp_path: Path) -> None:
    (tmp_path / "there").write_text("bound")
    make(api, Name="bound", DriverOpts={"type": "none", "o": "bind,ro", "device": str(tmp_path)})
    make(api, Name="memory", DriverOpts={"type": "tmpfs", "device": "tmpfs", "o": "size=1m,uid=7"})
    id = container(api, engine.image, "bound:/a", "memory:/b")
    mounts = Path(f"/proc/{engine.pid}/mountinfo").read_text()
    lines = {line.split()[4]: line for line in mounts.splitlines()}
    assert "ro" in lines[str(place_of(api, "bound"))].split()[5].split(",")
    assert "size=1024k,uid=7" in lines[str(place_of(api, "memory"))]
    assert api.call("DELETE", f"/containers/{id}")[0] == 204
    assert str(place_of(api, "bound")) not in Path(f"/proc/{engine.pid}/mountinfo").read_text()
    assert (tmp_path / "there").read_text() == "bound"


def test_lists_and_prunes_are_filtered_by_version(api: Api, engine: RunningEngine) -> None:
    make(api, Name="named", Labels={"a": "b"})
    anonymous = make(api)[1]["Name"]
    container(api, engine.image, "used:/x")

    def names(filters: str) -> list[str]:
        status, found = api.call("GET", f"/volumes?filters={quote(filters)}")
        assert status == 200, found
        return [volume["Name"] for volume in found["Volumes"]]

    assert names('{"label":["a=b"]}') == names('{"name":{"name":true}}') == ["named"]
    assert names('{"dangling":["false"]}') == ["used"]
    unknown = quote('{"x":["1"]}')
    assert api.call("GET", f"/volumes?filters={unknown}")[0] == 400
    assert api.call("POST", "/v1.50/volumes/prune")[1]["VolumesDeleted"] == [anonymous]
    assert api.call("POST", "/v1.41/volumes/prune")[1]["VolumesDeleted"] == ["named"]
    assert api.call("POST", "/v1.50/volumes/prune")[1] == {"VolumesDeleted": [], "SpaceReclaimed": 0}
