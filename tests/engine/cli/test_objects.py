"""The commands about single objects, on dockerd and on the embedded engine: docker's flags, columns and exit codes."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.cli.objects.createbody import device_of, mount_of, ulimit_of
from tests.engine.cli.conftest import Place
from tests.engines import RunningEngine

root = pytest.mark.root


@pytest.fixture(params=["docker", "rorqual"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    engine: RunningEngine = request.getfixturevalue(f"{request.param}_engine")
    yield Place(tmp_path, "objects", engine)


@pytest.fixture
def name(place: Place) -> Iterator[str]:
    """A container's name that is free, and free again afterwards."""
    found = f"obj-{secrets.token_hex(4)}"
    yield found
    place.run("container", "rm", "-fv", found)


@root
def test_run_gives_output_and_code_of_the_command(place: Place) -> None:
    image = place.engine.image
    assert place.run("container", "run", "--rm", image, "echo", "hi") == "hi\n"
    assert place.run("container", "run", "--rm", "-i", image, "cat", stdin="typed") == "typed"
    place.run("container", "run", "--rm", image, "sh", "-c", "exit 3", code=3)
    place.run("container", "run", "--rm", image, "nosuch", code=127)
    assert "executable file not found" in place.result("container", "run", "--rm", image, "nosuch").stderr


@root
def test_flags_become_the_containers_configuration(place: Place, name: str) -> None:
    words = [
        *("run", "-d", "--name", name, "-e", "A=1", "-h", "hh", "-m", "64m", "--cpus", "0.5", "-p", "127.0.0.1::80"),
        *("--tmpfs", "/t:size=1m", "--mount", "type=tmpfs,target=/m,tmpfs-size=1m", "--label", "x=y", "--init"),
        *("--restart", "on-failure:3", "--ulimit", "nofile=100:200", "--cap-add", "NET_ADMIN"),
        *("--health-cmd", "true", "--health-interval", "1h", "--stop-signal", "INT", "--network", "bridge"),
    ]
    place.run("container", *words, place.engine.image, "sleep", "1000")
    found = json.loads(place.run("container", "inspect", "--format", "json", name))
    host, config = found["HostConfig"], found["Config"]
    assert (host["Memory"], host["NanoCpus"], host["CapAdd"]) == (64 << 20, 500_000_000, ["NET_ADMIN"])
    assert (host["RestartPolicy"], host["Init"]) == ({"Name": "on-failure", "MaximumRetryCount": 3}, True)
    assert host["Ulimits"] == [{"Name": "nofile", "Soft": 100, "Hard": 200}]
    assert (config["Hostname"], config["StopSignal"], config["Labels"]["x"]) == ("hh", "INT", "y")
    assert config["Healthcheck"]["Interval"] == 3600 * 10**9
    assert place.run("container", "exec", name, "sh", "-c", "echo $A; hostname; ls -d /t /m") == "1\nhh\n/m\n/t\n"
    assert place.run("container", "port", name, "80").startswith("127.0.0.1:")


@root
def test_a_containers_life_is_driven_and_shown(place: Place, name: str) -> None:
    place.run("container", "create", "--name", name, place.engine.image, "sh", "-c", "echo out; exec sleep 1000")
    assert place.run("container", "ls", "-a", "--filter", f"name={name}", "--format", "{{.State}}") == "created\n"
    for verb in ("start", "pause", "unpause"):
        assert place.run("container", verb, name) == f"{name}\n"
    assert place.run("container", "logs", name) == "out\n"
    assert "sleep" in place.run("container", "top", name, "-o", "pid,comm")
    assert place.run("container", "update", "-m", "64m", "--memory-swap", "128m", name) == f"{name}\n"
    assert "64MiB" in place.run("container", "stats", "--no-stream", name)
    place.run("container", "exec", name, "touch", "/new")
    assert place.run("container", "diff", name) == "A /new\n"
    assert place.run("container", "kill", name) == f"{name}\n"
    assert place.run("container", "wait", name) == "137\n"
    place.run("container", "exec", name, "true", code=1)


@root
def test_what_is_missing_is_said_and_the_rest_is_done(place: Place, name: str) -> None:
    place.run("container", "create", "--name", name, place.engine.image, "true")
    done = place.result("container", "rm", "no-such-one", name)
    assert (done.returncode, done.stdout) == (1, f"{name}\n")
    assert "No such container: no-such-one" in done.stderr
    assert place.run("container", "inspect", "no-such-one", code=1) == "[]\n"


@root
def test_images_go_out_and_come_back(place: Place, tmp_path: Path) -> None:
    image, archive = place.engine.image, str(tmp_path / "image.tar")
    place.run("image", "tag", image, "objects/one:1")
    assert place.run("image", "ls", "objects/one", "--format", "{{.Repository}}:{{.Tag}}") == "objects/one:1\n"
    place.run("image", "save", "-o", archive, "objects/one:1")
    assert place.run("image", "rm", "objects/one:1") == "Untagged: objects/one:1\n"
    assert "Loaded image: objects/one:1" in place.run("image", "load", "-i", archive)
    assert "mmdebstrap" in place.run("image", "history", "objects/one:1")
    place.run("image", "rm", "objects/one:1")
    assert place.run("image", "inspect", "-f", "{{.Os}}", image) == "linux\n"


@root
def test_networks_and_volumes_are_made_shown_and_removed(place: Place, name: str) -> None:
    net, vol = f"{name}-net", f"{name}-vol"
    place.run("network", "create", "--subnet", "10.78.0.0/24", "--gateway", "10.78.0.254", "--label", "a=b", net)
    assert '"Gateway":"10.78.0.254"' in place.run("network", "inspect", "-f", "{{json .IPAM}}", net)
    assert place.run("volume", "create", "--label", "a=b", vol) == f"{vol}\n"
    words = ["--network", net, "--ip", "10.78.0.9", "--network-alias", "al", "-v", f"{vol}:/data"]
    place.run("container", "run", "-d", "--name", name, *words, place.engine.image, "sleep", "1000")
    place.run("volume", "rm", vol, code=1)
    place.run("network", "connect", "bridge", name)
    place.run("network", "disconnect", "bridge", name)
    place.run("container", "rm", "-f", name)
    assert place.run("network", "rm", net) == f"{net}\n"
    assert place.run("volume", "rm", vol) == f"{vol}\n"
    assert net not in place.run("network", "ls")


@root
def test_the_engine_tells_of_itself_and_of_its_disk(place: Place) -> None:
    kind = place.engine.kind
    assert place.run("system", "info").startswith(f"Engine: {kind.capitalize()}\n")
    assert place.run("system", "info", "-f", "{{.OSType}}") == "linux\n"
    assert [line.split("  ")[0] for line in place.run("system", "df").splitlines()] == [
        "TYPE",
        "Images",
        "Containers",
        "Local Volumes",
        "Build Cache",
    ]
    assert place.engine.image.partition(":")[0] in place.run("system", "df", "-v")
    place.run("volume", "create", "told-of")
    place.run("volume", "rm", "told-of")
    assert " volume destroy told-of " in place.run("system", "events", "--since", "1m", "--until", "0s")


@root
def test_prune_asks_and_without_a_terminal_names_the_flag(place: Place) -> None:
    done = place.result("container", "prune")
    assert done.returncode == 1 and "-f" in done.stderr
    assert "Total reclaimed space" in place.run("container", "prune", "-f", "--filter", "label=nobody-has-it")


def test_mounts_devices_and_ulimits_are_read_as_docker_reads_them() -> None:
    assert mount_of("type=bind,src=/a,dst=/b,ro,bind-propagation=rslave") == {
        "Type": "bind",
        "Source": "/a",
        "Target": "/b",
        "ReadOnly": True,
        "BindOptions": {"Propagation": "rslave"},
    }
    assert mount_of("source=v,target=/v,volume-nocopy") == {
        "Type": "volume",
        "Source": "v",
        "Target": "/v",
        "VolumeOptions": {"NoCopy": True},
    }
    assert device_of("/dev/null:/dev/x:rw") == {
        "PathOnHost": "/dev/null",
        "PathInContainer": "/dev/x",
        "CgroupPermissions": "rw",
    }
    assert ulimit_of("nofile=5") == {"Name": "nofile", "Soft": 5, "Hard": 5}


@root
def test_a_dry_run_of_any_command_about_objects_only_says_what_it_would_do(place: Place, name: str) -> None:
    place.run("container", "create", "--name", name, place.engine.image, "true")
    place.run("volume", "create", name)
    (place.folder / "root.tar").write_bytes(b"")
    for words in (
        ("container", "prune", "-f"),
        ("container", "start", "-a", name),
        ("container", "exec", name, "true"),
        ("container", "commit", name, name),
        ("container", "cp", "root.tar", f"{name}:/"),
        ("container", "attach", name),
        ("image", "prune", "-af"),
        ("image", "pull", "localhost:1/nothing"),
        ("image", "push", "localhost:1/nothing"),
        ("image", "load", "-i", "root.tar"),
        ("image", "import", "root.tar", name),
        ("image", "build", "."),
        ("network", "prune", "-f"),
        ("volume", "prune", "-af"),
        ("system", "prune", "-af", "--volumes"),
    ):
        assert place.run(words[0], "--dry-run", *words[1:]).startswith("would "), words
    assert place.run("container", "inspect", "-f", "{{.State.Status}}", name) == "created\n"
    assert place.run("volume", "rm", name)
    assert place.result("image", "inspect", name).returncode == 1
