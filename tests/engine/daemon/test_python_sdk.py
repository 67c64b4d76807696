"""The Docker SDK for Python on the embedded engine, and on dockerd: the same claims hold for both."""

from __future__ import annotations

import contextlib
import gc
import io
import tarfile
import time
import warnings
from collections.abc import Iterator
from typing import Any

import docker
import docker.errors
import pytest
from docker import types

from tests.engines import RunningEngine

# The SDK leaves the connections of streams that it has read to the collector.
pytestmark = [pytest.mark.root, pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")]
SECOND = 10**9


@pytest.fixture(params=["docker", "rorqual"])
def engine(request: pytest.FixtureRequest) -> RunningEngine:
    found: RunningEngine = request.getfixturevalue(f"{request.param}_engine")
    return found


@pytest.fixture
def client(engine: RunningEngine) -> Iterator[Any]:
    client = docker.DockerClient(base_url=engine.host, timeout=60)
    yield client
    for container in client.containers.list(all=True):
        container.remove(force=True, v=True)
    client.close()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()  # here, and not in the test that happens to come next


@pytest.fixture
def image(engine: RunningEngine) -> str:
    return engine.image


def tar_of(name: str, content: bytes) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        entry = tarfile.TarInfo(name)
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    return made.getvalue()


def test_run_gives_the_output_and_a_failure_its_code_and_words(client: Any, image: str) -> None:
    assert client.containers.run(image, "echo hi", remove=True) == b"hi\n"
    assert [*client.containers.run(image, "sh -c 'echo a; echo b'", stream=True)] == [b"a\n", b"b\n"]
    with pytest.raises(docker.errors.ContainerError) as caught:
        client.containers.run(image, ["sh", "-c", "echo boo >&2; exit 2"])
    assert (caught.value.exit_status, caught.value.stderr) == (2, b"boo\n")


def test_an_exec_has_the_users_home_the_limits_and_the_code(client: Any, image: str) -> None:
    limits = [types.Ulimit(name="nproc", soft=50, hard=60)]
    one = client.containers.run(image, "sleep 60", detach=True, ulimits=limits)
    assert one.exec_run("sh -c 'exit 4'").exit_code == 4
    assert one.exec_run(["sh", "-c", "echo o; echo e >&2"], demux=True).output == (b"o\n", b"e\n")
    env = one.exec_run("env", environment={"A": "b"}, workdir="/tmp", user="1").output.decode().split()
    assert {"A=b", "HOME=/"} <= set(env)
    rows = one.exec_run("cat /proc/self/limits").output.decode().splitlines()
    assert [row.split()[2:4] for row in rows if row.startswith("Max processes")] == [["50", "60"]]


def test_detach_keys_are_known_in_whatever_case_the_sdk_sends_them(client: Any, image: str) -> None:
    one = client.containers.run(image, "sleep 60", detach=True)
    id = client.api.exec_create(one.id, ["true"], detach_keys="ctrl-p")["Id"]
    client.api.exec_start(id)
    found = client.api.exec_inspect(id)
    assert (found["DetachKeys"], found["CanRemove"], found["ExitCode"]) == ("EA==", False, 0)


def test_members_that_are_null_are_not_said(client: Any, image: str) -> None:
    """The SDK fills a health check's unset members with null."""
    health = {"test": "true", "interval": SECOND, "timeout": SECOND, "retries": 1}
    one = client.containers.run(image, "sleep 60", detach=True, healthcheck=health)
    deadline = time.monotonic() + 20
    while one.health != "healthy":
        assert time.monotonic() < deadline
        time.sleep(0.1)
        one.reload()


def test_streams_are_joined_before_the_start_and_read_to_the_end(client: Any, image: str) -> None:
    one = client.containers.create(image, "sh -c 'echo hi; sleep 0.2; echo err >&2'")
    output = one.attach(stream=True)
    one.start()
    assert [*output] == [b"hi\n", b"err\n"]
    assert (one.logs(stdout=False), one.logs(tail=1), one.logs(tail=0)) == (b"err\n", b"err\n", b"")
    other = client.containers.create(image, "cat", stdin_open=True)
    joined = other.attach_socket(params={"stdin": 1, "stdout": 1, "stream": 1})
    # the SDK hands out a file over the socket, and closes neither
    with joined._sock as connection, joined:
        other.start()
        connection.sendall(b"hello\n")
        assert connection.recv(100) == b"\x01\0\0\0\0\0\0\x06hello\n"


def test_files_go_in_and_out_and_a_missing_place_is_named_as_the_client_named_it(client: Any, image: str) -> None:
    one = client.containers.run(image, "sleep 60", detach=True)
    assert one.put_archive("/tmp", tar_of("f", b"abc"))
    pieces, status = one.get_archive("/tmp/f")
    with tarfile.open(fileobj=io.BytesIO(b"".join(pieces))) as archive:
        assert archive.getnames() == ["f"]
    assert (status["name"], status["size"], status["mode"]) == ("f", 3, 0o644)
    with pytest.raises(docker.errors.NotFound) as caught:
        one.put_archive("/nosuch", tar_of("f", b"abc"))
    assert caught.value.explanation == f"Could not find the file /nosuch in container {one.id}"
    assert one.diff() == [{"Path": "/tmp", "Kind": 0}, {"Path": "/tmp/f", "Kind": 1}]


def test_images_are_tagged_saved_loaded_and_imported(client: Any, image: str) -> None:
    found = client.images.get(image)
    assert found.tag("some.tag/x:hello")
    assert next(iter(client.images.list(name="some.tag/x"))).tags
    client.images.remove("some.tag/x:hello")
    assert image in client.images.load(b"".join(found.save(named=True)))[0].tags
    with pytest.raises(docker.errors.ImageLoadError):
        client.images.load(b"abc")
    client.api.import_image_from_data(tar_of("f", b"abc"), repository="test/imp", tag="t1", changes=["USER foobar"])
    assert client.images.get("test/imp:t1").attrs["Config"]["User"] == "foobar"
    client.images.remove("test/imp:t1")
    with pytest.raises(docker.errors.ImageNotFound, match="No such image: nosuch:latest"):
        client.images.get("nosuch")


def test_a_network_gives_the_address_that_was_asked_for(client: Any, image: str) -> None:
    pools = [types.IPAMPool(subnet="172.28.0.0/16", iprange="172.28.5.0/24", gateway="172.28.5.254")]
    network = client.networks.create("sdk", labels={"a": "b"}, ipam=types.IPAMConfig(pool_configs=pools))
    one = client.containers.create(image, "sleep 60")
    network.connect(one, aliases=["foo"], ipv4_address="172.28.5.9")
    one.start()
    one.reload()
    endpoint = one.attrs["NetworkSettings"]["Networks"]["sdk"]
    assert (endpoint["IPAddress"], endpoint["IPAMConfig"]) == ("172.28.5.9", {"IPv4Address": "172.28.5.9"})
    assert [found.name for found in client.networks.list(filters={"label": "a"})] == ["sdk"]
    network.disconnect(one)
    network.remove()


def test_links_on_the_default_bridge_are_told_in_the_environment(client: Any, image: str) -> None:
    client.containers.run(image, "sleep 60", detach=True, name="linked", environment=["FOO=1"])
    told = client.containers.run(image, "env", links={"linked": "mylink1"}, name="linking").decode().splitlines()
    assert {"MYLINK1_NAME=/linking/mylink1", "MYLINK1_ENV_FOO=1"} <= set(told)


def test_what_is_asked_for_is_what_an_inspect_shows(client: Any, image: str) -> None:
    asked = client.api.create_host_config(
        port_bindings={"1111": ("127.0.0.1", "4567"), "2222/udp": None},
        restart_policy={"Name": "always"},
        cap_add=["NET_ADMIN"],
        mem_limit="32m",
        log_config=types.LogConfig(type="json-file", config={"max-size": "1m"}),
        tmpfs={"/t": "size=1m"},
        mounts=[types.Mount("/m", "sdkvol", labels={"z": "y"})],
        cpu_period=100000,
        cpu_quota=50000,
    )
    id = client.api.create_container(
        image, ["60"], entrypoint=["sleep"], host_config=asked, ports=[1111, (2222, "udp")], labels=["x"], hostname="h"
    )["Id"]
    client.api.start(id)
    found = client.api.inspect_container(id)
    host, config = found["HostConfig"], found["Config"]
    assert (host["Memory"], host["MemorySwap"], host["CpuQuota"]) == (32 << 20, 64 << 20, 50000)
    assert (host["PidsLimit"], host["MemorySwappiness"], host["Devices"]) == (None, None, None)
    assert (config["Entrypoint"], config["Cmd"], config["Hostname"], config["Volumes"]) == (
        ["sleep"],
        ["60"],
        "h",
        None,
    )
    assert client.api.port(id, 1111) == [{"HostIp": "127.0.0.1", "HostPort": "4567"}]
    assert found["Mounts"][0]["Name"] == "sdkvol"
    client.api.remove_container(id, force=True)
    client.volumes.get("sdkvol").remove()


def test_events_are_told_in_the_order_of_the_life(client: Any, image: str) -> None:
    since = int(time.time()) - 1
    client.containers.run(image, "true", remove=True, name="lived")
    found = client.events(since=since, until=int(time.time()) + 1, decode=True, filters={"container": "lived"})
    assert [event["Action"] for event in found] == ["create", "start", "die", "destroy"]


def test_an_execs_stream_has_frames_unless_its_start_says_terminal(client: Any, image: str) -> None:
    one = client.containers.run(image, "sleep 60", detach=True, tty=False)
    api = client.api
    made = api.exec_create(one.id, ["sh", "-c", "echo out; echo err >&2"], tty=True)["Id"]
    assert api.exec_start(made, demux=True) == (b"out\r\nerr\r\n", None)
    made = api.exec_create(one.id, ["sh", "-c", "echo out; echo err >&2"], tty=True)["Id"]
    assert api.exec_start(made, tty=True) == b"out\r\nerr\r\n"


def test_a_clients_buffer_takes_nothing_of_the_stream_along_with_the_head(rorqual_engine: RunningEngine) -> None:
    """The SDK loses what does, on dockerd too now and then."""
    client = docker.DockerClient(base_url=rorqual_engine.host)
    one = client.containers.create(rorqual_engine.image, "echo hello")
    one.start()
    one.wait()
    assert [one.attach(stream=False, logs=True) for _ in range(10)] == [b"hello\n"] * 10
    one.remove()
    client.close()


def test_a_wait_ends_with_the_process_though_it_is_started_again(client: Any, image: str) -> None:
    one = client.containers.run(image, "sh -c 'exit 3'", detach=True, restart_policy={"Name": "always"})
    assert one.wait(timeout=30)["StatusCode"] == 3
    one.remove(force=True)


def test_a_link_can_be_taken_away(client: Any, image: str) -> None:
    other = client.containers.run(image, "sleep 60", detach=True)
    one = client.containers.run(image, "sleep 60", detach=True, links={other.name: "there"})
    client.api.remove_container(f"{one.name}/there", link=True)
    one.reload()
    assert not one.attrs["HostConfig"]["Links"]
    assert b"there" not in one.exec_run("cat /etc/hosts").output
    with pytest.raises(docker.errors.APIError):
        client.api.remove_container(f"{one.name}/there", link=True)


def test_an_endpoint_at_rest_shows_what_it_was_asked_for(client: Any, image: str) -> None:
    network = client.networks.create("sdk-at-rest")
    one = client.containers.create(image, "sleep 60")
    client.api.connect_container_to_network(one.id, network.id, mac_address="02:42:ac:11:00:02")
    one.reload()
    assert one.attrs["NetworkSettings"]["Networks"]["sdk-at-rest"]["MacAddress"] == "02:42:ac:11:00:02"
    with pytest.raises(docker.errors.APIError):
        client.api.disconnect_container_from_network(
            client.containers.run(image, "sleep 9", detach=True).id, network.id
        )
    one.remove()
    network.remove()


def test_a_commit_says_what_container_it_was_made_of(engine: RunningEngine, client: Any, image: str) -> None:
    one = client.containers.run(image, "touch /made", detach=True)
    one.wait()
    made = client.api.commit(one.id)["Id"]
    with contextlib.closing(docker.APIClient(base_url=engine.host, version="1.41")) as api:
        found = api.inspect_image(made)
    assert (found["Container"], found["ContainerConfig"]["Image"]) == (one.id, image)
    client.images.remove(made)


def test_a_platform_that_is_none_is_refused_and_another_than_the_images_named(client: Any, image: str) -> None:
    unknown = '"foo": unknown operating system or architecture'
    with pytest.raises(docker.errors.APIError, match=unknown):
        client.api.pull("nothing", tag="1", platform="foo")
    with pytest.raises(docker.errors.APIError, match=unknown):
        client.api.create_container(image, "true", platform="foo")
    with pytest.raises(docker.errors.NotFound, match=f"image with reference {image} was found but does not match"):
        client.api.create_container(image, "true", platform="linux/s390x")


def test_below_version_1_44_a_networks_name_is_taken_twice_unless_that_is_to_be_checked(engine: RunningEngine) -> None:
    api = docker.APIClient(base_url=engine.host, version="1.41", timeout=60)
    try:
        first = api.create_network("twice", check_duplicate=True)["Id"]
        with pytest.raises(docker.errors.APIError, match="already exists"):
            api.create_network("twice", check_duplicate=True)
        second = api.create_network("twice", check_duplicate=False)
        assert second["Warning"] == f"Network with name twice (id : {first}) already exists"
        with pytest.raises(docker.errors.APIError, match="ambiguous"):
            api.inspect_network("twice")
        for id in (first, second["Id"]):
            api.remove_network(id)
    finally:
        api.close()
