"""Images over the API of a running daemon: archives of every kind, names, removal by Docker's rules, versions."""

from __future__ import annotations

import base64
import gzip
import io
import json
import tarfile
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
import zstandard

from tests.engine.daemon.api import Api
from tests.engine.daemon.tars import digest, docker_archive, folder, link, member, oci_layout, tar_of
from tests.engines import RunningEngine

pytestmark = pytest.mark.root


@pytest.fixture
def api(engine: RunningEngine) -> Iterator[Api]:
    """Every image but the engine's own goes afterwards."""
    api = Api(engine.socket)
    yield api
    for image in api.call("GET", "/images/json?all=1")[1]:
        if engine.image not in image["RepoTags"]:
            assert api.call("DELETE", f"/images/{image['Id']}?force=1")[0] in (200, 404)
    api.close()


BASE = tar_of(folder("etc"), member("etc/one", content=b"1"))
TOP = tar_of(member("etc/two", content=b"22"), member("etc/.wh.one"))


def stored(engine: RunningEngine) -> tuple[set[str], set[str]]:
    root = engine.socket.parent / "root"
    blobs = {path.name for path in (root / "content/blobs/sha256").iterdir()}
    return blobs, {path.name for path in (root / "layers").iterdir() if path.is_dir() and path.name != "0"}


@pytest.mark.parametrize(
    "pack", [bytes, gzip.compress, zstandard.ZstdCompressor().compress], ids=["plain", "gzip", "zstd"]
)
def test_an_archive_of_docker_is_loaded_packed_or_not(api: Api, pack: type[bytes]) -> None:
    lines = api.load(pack(docker_archive([BASE, TOP], ["a/b:1", "a/b:2"], Env=["A=b"])))
    assert [line["stream"] for line in lines] == ["Loaded image: a/b:1\n", "Loaded image: a/b:2\n"]
    found = api.call("GET", "/images/a/b:2/json")[1]
    assert found["RootFS"]["Layers"] == [digest(BASE), digest(TOP)]
    assert (found["Size"], found["Config"]["Env"], found["RepoTags"]) == (3, ["A=b"], ["a/b:1", "a/b:2"])


def test_an_oci_layout_with_gzipped_layers_is_loaded(api: Api) -> None:
    lines = api.load(oci_layout([BASE, TOP], "docker.io/library/oci:1"))
    assert [line["stream"] for line in lines] == ["Loaded image: oci:1\n"]
    assert api.call("GET", "/images/oci/json")[0] == 404
    assert api.call("GET", "/images/docker.io/library/oci:1/json")[1]["RootFS"]["Layers"] == [digest(BASE), digest(TOP)]


def test_layers_that_are_links_to_others_are_found(api: Api) -> None:
    archive = docker_archive([BASE], ["x:1"])
    with tarfile.open(fileobj=io.BytesIO(archive)) as old:
        files = {name: (old.extractfile(name) or io.BytesIO()).read() for name in old.getnames()}
    files["real/layer.tar"] = files.pop("0/layer.tar")
    renamed = tar_of(*(member(n, content=c) for n, c in files.items()), link("0/layer.tar", "../real/layer.tar"))
    assert api.load(renamed)


BAD = {
    "nothing": b"",
    "no tar": b"hello" * 1000,
    "no images": tar_of(member("file", content=b"x")),
    "cut off": docker_archive([BASE, TOP], ["a:1"])[:3000],
    "a layer of another digest": docker_archive([BASE], ["a:1"]).replace(b"etc/one", b"etc/two", 1),
    "a layer that leaves its folder": docker_archive([tar_of(member("../x", content=b"1"))], ["a:1"]),
    "config that is no JSON": tar_of(
        member("manifest.json", content=b'[{"Config":"c","RepoTags":["a:1"],"Layers":[]}]'), member("c", content=b"{")
    ),
    "names what it has not": tar_of(member("manifest.json", content=b'[{"Config":"c","Layers":["l"]}]')),
    "manifest of the wrong shape": tar_of(member("manifest.json", content=b'{"a": [1, {}]}')),
    "index of the wrong shape": tar_of(member("index.json", content=b"[1]")),
    "damaged blob": oci_layout([BASE], "a/b:1").replace(b'"schemaVersion": 2', b'"schemaVersion": 3'),
}


@pytest.mark.parametrize("archive", BAD.values(), ids=BAD)
def test_a_bad_archive_is_told_in_the_stream_and_leaves_nothing(
    api: Api, engine: RunningEngine, archive: bytes
) -> None:
    """Where dockerd tells it and the SDKs look for it: as a line of a 200."""
    before = stored(engine)
    status, answer = api.call("POST", "/images/load?quiet=1", archive)
    assert status == 200 and len(answer["error"]) > 20, answer
    assert stored(engine)[1] == before[1]


def test_what_is_saved_is_what_was_loaded_and_loads_elsewhere(api: Api, docker_engine: RunningEngine) -> None:
    api.load(docker_archive([BASE, TOP], ["rq/save:1", "rq/save:2"]))
    status, archive = api.call("GET", "/images/get?names=rq/save:1&names=rq/save:2")
    assert status == 200
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        layer = tar.extractfile(f"blobs/sha256/{digest(TOP)[7:]}")
        assert layer is not None and layer.read() == TOP
    assert api.call("DELETE", "/images/rq/save:1")[0] == api.call("DELETE", "/images/rq/save:2")[0] == 200
    assert len(api.load(archive)) == 2
    docker = Api(docker_engine.socket)
    assert docker.call("POST", "/images/load?quiet=1", archive)[0] == 200
    id = api.call("GET", "/images/rq/save:2/json")[1]["Id"]
    assert docker.call("GET", "/images/rq/save:2/json")[1]["Id"] == id
    docker.call("DELETE", f"/images/{id}?force=1")
    docker.close()


def test_the_last_name_takes_the_image_with_it_and_its_own_layers(api: Api, engine: RunningEngine) -> None:
    before = stored(engine)
    api.load(docker_archive([BASE], ["base:1"]))
    api.load(docker_archive([BASE, TOP], ["top:1", "top:2"]))
    assert api.call("DELETE", "/images/top:1") == (200, [{"Untagged": "top:1"}])
    removed = api.call("DELETE", "/images/top:2")[1]
    assert [next(iter(line)) for line in removed] == ["Untagged", "Deleted", "Deleted"]
    assert api.call("GET", "/images/base:1/json")[0] == 200
    api.call("DELETE", "/images/base:1")
    assert stored(engine) == before


def test_removal_by_id_needs_force_for_several_repositories(api: Api) -> None:
    api.load(docker_archive([BASE], ["one:1", "two:1"]))
    id = api.call("GET", "/images/one:1/json")[1]["Id"]
    status, answer = api.call("DELETE", f"/images/{id[7:19]}")
    assert (status, answer["message"]) == (
        409,
        f"conflict: unable to delete {id[7:19]} (must be forced) - image is referenced in multiple repositories",
    )
    assert api.call("DELETE", f"/images/{id[7:19]}?force=1")[0] == 200
    assert api.call("GET", "/images/one:1/json")[0] == 404


def test_an_image_in_use_is_kept(api: Api) -> None:
    api.load(docker_archive([BASE], ["used:1"], Cmd=["x"], Labels={"who": "used"}))
    body = json.dumps({"Image": "used:1"}).encode()
    status, made = api.call("POST", "/containers/create", body, **{"Content-Type": "application/json"})
    assert status == 201, made
    status, answer = api.call("DELETE", "/images/used:1")
    assert status == 409 and 'unable to remove repository reference "used:1" (must force)' in answer["message"]
    assert (
        api.call("POST", "/images/prune?filters=" + quote('{"dangling":["false"],"label":["who=used"]}'))[1][
            "ImagesDeleted"
        ]
        is None
    )
    assert api.call("DELETE", f"/containers/{made['Id']}")[0] == 204
    assert api.call("DELETE", "/images/used:1")[0] == 200


def test_import_makes_an_image_of_a_root_file_system(api: Api) -> None:
    changes = "&".join(f"changes={quote(c)}" for c in ('CMD ["sh"]', "ENV A=1 B=2", "EXPOSE 80 90/udp", "WORKDIR /w"))
    status, line = api.call(
        "POST", f"/images/create?fromSrc=-&repo=imp&tag=1&message=hi&{changes}", gzip.compress(BASE)
    )
    assert (status, line["status"][:7]) == (200, "sha256:")
    found = api.call("GET", "/images/imp:1/json")[1]
    assert (found["Comment"], found["Config"]["Cmd"], found["Config"]["Env"]) == ("hi", ["sh"], ["A=1", "B=2"])
    assert found["Config"]["ExposedPorts"] == {"80/tcp": {}, "90/udp": {}}
    assert [layer["Size"] for layer in api.call("GET", "/images/imp:1/history")[1]] == [1]
    status, answer = api.call("POST", "/images/create?fromSrc=-&changes=RUN+x", BASE)
    assert (status, answer["message"]) == (400, "run is not a valid change command")


def test_lists_are_filtered_and_a_bad_filter_is_refused(api: Api) -> None:
    api.load(docker_archive([BASE], ["f/one:1"], Labels={"a": "b"}))
    api.load(docker_archive([BASE, TOP], ["f/two:1", "plain:1"]))

    def names(filters: dict[str, Any]) -> list[str]:
        status, found = api.call("GET", "/images/json?filters=" + quote(json.dumps(filters)))
        assert status == 200, found
        return sorted(name for image in found for name in image["RepoTags"] if name.startswith(("f/", "plain")))

    assert names({"reference": ["f/*"]}) == ["f/one:1", "f/two:1"]
    assert names({"reference": {"f/*:1": True}, "label": ["a=b"]}) == ["f/one:1"]
    assert names({"label": ["a", "x"]}) == names({"dangling": ["true"]}) == names({"until": ["1970-01-02"]}) == []
    for bad in ('{"color":["red"]}', "{", "[]", '{"dangling":["maybe"]}', '{"label":[1]}', '{"since":["nobody"]}'):
        status, answer = api.call("GET", "/images/json?filters=" + quote(bad))
        assert status == (404 if "nobody" in bad else 400), answer


def test_prune_takes_what_has_no_name(api: Api) -> None:
    api.load(docker_archive([BASE, TOP], ["p:1"]))
    api.load(docker_archive([BASE], ["p:1"]))
    status, pruned = api.call("POST", "/images/prune")
    assert status == 200 and pruned["SpaceReclaimed"] == 2
    assert [next(iter(line)) for line in pruned["ImagesDeleted"]] == ["Deleted", "Deleted"]
    assert api.call("POST", "/images/prune")[1] == {"ImagesDeleted": None, "SpaceReclaimed": 0}


@pytest.mark.parametrize(
    ("version", "present", "absent"),
    [
        ("1.41", {"VirtualSize", "ContainerConfig", "Container"}, set[str]()),
        ("1.44", {"ContainerConfig"}, {"VirtualSize"}),
        ("1.50", set[str](), {"VirtualSize", "ContainerConfig", "Container"}),
    ],
)
def test_each_version_shows_an_image_as_it_did(api: Api, version: str, present: set[str], absent: set[str]) -> None:
    api.load(docker_archive([BASE], ["v:1"]))
    found = api.call("GET", f"/v{version}/images/v:1/json")[1]
    assert present <= found.keys() and not absent & found.keys()
    assert ("Hostname" in found["Config"]) is (version != "1.50")
    id = found["Id"]
    api.call("DELETE", "/images/v:1?noprune=1")
    api.load(docker_archive([BASE], []))
    tags = [image["RepoTags"] for image in api.call("GET", f"/v{version}/images/json")[1] if image["Id"] == id]
    assert tags == [["<none>:<none>"] if version == "1.41" else []]


def test_names_that_can_mean_nothing_are_refused(api: Api) -> None:
    api.load(docker_archive([BASE], ["n:1"]))
    assert api.call("POST", "/images/n:1/tag?repo=UPPER&tag=1")[0] == 400
    assert api.call("POST", "/images/n:1/tag?repo=ok&tag=b%20d")[0] == 400
    assert api.call("POST", "/images/none:1/tag?repo=ok")[0] == 404
    assert api.call("POST", "/images/n:1/tag?repo=localhost:5000/x/y&tag=2")[0] == 201
    assert api.call("GET", "/images/localhost:5000/x/y:2/json")[0] == 200


def test_buildkits_calls_are_501_with_a_reason(api: Api) -> None:
    for method, path in (("POST", "/session"), ("POST", "/build/cancel")):
        status, answer = api.call(method, path)
        assert status == 501 and len(answer["message"]) > 20
    assert "DOCKER_BUILDKIT=0" in api.call("POST", "/grpc")[1]["message"]
    assert api.call("POST", "/swarm/leave")[0] == api.call("GET", "/services")[0] == 503


def test_an_image_of_another_platform_than_is_asked_for_is_not_here(api: Api) -> None:
    api.load(docker_archive([BASE], ["p:1"]))
    own = api.call("GET", "/images/p:1/json")[1]
    here = quote(json.dumps({"os": own["Os"], "architecture": own["Architecture"]}))
    other = quote('{"os": "linux", "architecture": "s390x"}')
    for method, path in (
        ("GET", "/images/p:1/json?"),
        ("GET", "/images/p:1/history?"),
        ("GET", "/images/p:1/get?"),
        ("GET", "/images/get?names=p:1&"),
        ("POST", "/images/p:1/push?"),
        ("DELETE", "/images/p:1?"),
    ):
        name = "platforms" if method == "DELETE" else "platform"
        assert api.call(method, f"{path}{name}=amd64")[0] == 400, path
        status, answer = api.call(method, f"{path}{name}={other}")
        assert (status, "wanted linux/s390x" in answer["message"]) == (404, True), path
    assert api.call("GET", f"/images/p:1/history?platform={here}")[0] == 200
    assert api.call("DELETE", f"/images/p:1?platforms={here}")[0] == 200


@pytest.mark.parametrize("header", ["[" * 40000, "{", '{"auth": "a"}'])
def test_credentials_that_cannot_be_read_are_the_clients_fault(api: Api, header: str) -> None:
    sent = {"X-Registry-Auth": base64.b64encode(header.encode()).decode()}
    status, answer = api.call("POST", "/images/create?fromImage=localhost:1/none&tag=1", b"", **sent)
    assert (status, "X-Registry-Auth" in answer["message"]) == (400, True)


def test_a_wait_for_no_known_condition_is_refused(api: Api, engine: RunningEngine) -> None:
    body = json.dumps({"Image": engine.image}).encode()
    id = api.call("POST", "/containers/create", body, **{"Content-Type": "application/json"})[1]["Id"]
    status, answer = api.call("POST", f"/containers/{id}/wait?condition=healthy")
    assert (status, answer["message"]) == (
        400,
        'invalid condition: "healthy": want not-running, next-exit, removed',
    )
    assert api.call("DELETE", f"/containers/{id}")[0] == 204
