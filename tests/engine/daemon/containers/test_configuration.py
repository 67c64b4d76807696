"""A create's body merged with the image's configuration, as dockerd merges; and what may not be said."""

from __future__ import annotations

from typing import Any

import pytest

from engine.api.errors import InvalidArgument
from engine.daemon.containers.configuration import merged_config, split_body, whole_host
from engine.daemon.containers.refusals import check_config, check_host, check_resources, size_of

IMAGE: dict[str, Any] = {
    "Env": ["PATH=/image", "B=image"],
    "Cmd": ["serve"],
    "Entrypoint": ["/entry"],
    "Labels": {"a": "image", "b": "image"},
    "ExposedPorts": {"80/tcp": {}},
    "Volumes": {"/data": {}},
    "WorkingDir": "/srv",
    "User": "web",
    "StopSignal": "SIGQUIT",
    "Healthcheck": {"Test": ["CMD", "true"], "Interval": 7, "Retries": 9},
}


def test_what_the_user_leaves_out_comes_from_the_image() -> None:
    made = merged_config({"Image": "i"}, IMAGE)
    assert (made["Entrypoint"], made["Cmd"], made["WorkingDir"], made["User"]) == (["/entry"], ["serve"], "/srv", "web")
    assert made["StopSignal"] == "SIGQUIT"


def test_the_users_variables_win_and_the_images_are_added() -> None:
    assert merged_config({"Env": ["B=mine", "C="]}, IMAGE)["Env"] == ["B=mine", "C=", "PATH=/image"]


def test_labels_ports_and_volumes_are_joined() -> None:
    made = merged_config({"Labels": {"a": "mine"}, "ExposedPorts": {"81/tcp": {}}}, IMAGE)
    assert made["Labels"] == {"a": "mine", "b": "image"}
    assert set(made["ExposedPorts"] or {}) == {"80/tcp", "81/tcp"}
    assert set(made["Volumes"] or {}) == {"/data"}


def test_an_entrypoint_of_the_users_drops_the_images_command() -> None:
    made = merged_config({"Entrypoint": ["mine"]}, IMAGE)
    assert (made["Entrypoint"], made["Cmd"]) == (["mine"], None)
    made = merged_config({"Cmd": ["other"]}, IMAGE)
    assert (made["Entrypoint"], made["Cmd"]) == (["/entry"], ["other"])


def test_an_empty_text_as_entrypoint_takes_the_images_away() -> None:
    made = merged_config({"Entrypoint": [""], "Cmd": ["x"]}, IMAGE)
    assert (made["Entrypoint"], made["Cmd"]) == (None, ["x"])


def test_nothing_to_run_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="No command specified"):
        merged_config({}, {})


def test_a_health_check_takes_unset_members_from_the_image() -> None:
    made = merged_config({"Healthcheck": {"Interval": 3}}, IMAGE)
    assert made["Healthcheck"] == {"Test": ["CMD", "true"], "Interval": 3, "Retries": 9}


def test_host_defaults_follow_the_kernels_cgroups() -> None:
    assert whole_host({}, cgroup_version=2, runtime="crun")["CgroupnsMode"] == "private"
    made = whole_host({"Memory": 100 << 20}, cgroup_version=1, runtime="crun")
    assert (made["CgroupnsMode"], made["MemorySwap"], made["ShmSize"]) == ("host", 200 << 20, 64 << 20)
    assert "/proc/kcore" in (made["MaskedPaths"] or [])
    assert whole_host({"Privileged": True}, cgroup_version=1, runtime="crun")["MaskedPaths"] is None


def test_a_body_is_split_and_left_alone() -> None:
    body: Any = {"Image": "i", "Env": None, "HostConfig": {"Binds": None, "Memory": 5}, "Odd": 1}
    assert split_body(body) == ({"Image": "i"}, {"Memory": 5})


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"WorkingDir": "rel"}, "needs to be an absolute path"),
        ({"Hostname": "a b"}, "invalid hostname format"),
        ({"StopSignal": "SIGNOPE"}, "Invalid signal: SIGNOPE"),
        ({"Healthcheck": {"Interval": 5}}, "cannot be less than 1ms"),
        ({"ExposedPorts": {"80/xyz": {}}}, "invalid protocol"),
        ({"Env": "A=1"}, "value of Env has the wrong type"),
        ({"Env": [1]}, "value of Env has the wrong type"),
        ({"Cmd": ["a\0b"]}, "NUL"),
        ({"Tty": "yes"}, "value of Tty has the wrong type"),
    ],
)
def test_a_config_that_cannot_be_meant_is_refused(config: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidArgument, match=words):
        check_config(config)


@pytest.mark.parametrize(
    ("host", "words"),
    [
        ({"CapAdd": ["NOPE"]}, "unknown capability"),
        ({"RestartPolicy": {"Name": "often"}}, "unknown policy 'often'"),
        ({"RestartPolicy": {"Name": "always", "MaximumRetryCount": 3}}, "maximum retry count cannot be used"),
        ({"RestartPolicy": {"Name": "always"}, "AutoRemove": True}, "AutoRemove"),
        ({"Memory": 1024}, "Minimum memory limit allowed is 6MB"),
        ({"NanoCpus": 1, "CpuQuota": 5000}, "Conflicting options"),
        ({"LogConfig": {"Type": "syslog"}}, "error looking up logging plugin syslog"),
        ({"LogConfig": {"Config": {"max-size": "big"}}}, "invalid size"),
        ({"PidMode": "container:"}, "invalid PID mode"),
        ({"NetworkMode": "container:x", "PortBindings": {"80/tcp": []}}, "conflicting options"),
        ({"PortBindings": {"80/tcp": [{"HostPort": "x"}]}}, "invalid port specification"),
        ({"PortBindings": {"99999": []}}, "invalid port specification"),
        ({"CpusetCpus": "a"}, "Invalid value a for cpuset cpus"),
        ({"Mounts": ["x"]}, "value of Mounts has the wrong type"),
        ({"OomScoreAdj": 2000}, "range for oom score adj"),
        ({"PortBindings": {"80/tcp": [{"HostPort": 5}]}}, "value of PortBindings has the wrong type"),
        ({"Mounts": [{"Type": "volume", "VolumeOptions": {"DriverConfig": 5}}]}, "value of DriverConfig"),
        ({"Mounts": [{"Type": "tmpfs", "TmpfsOptions": {"Options": [5]}}]}, "value of Options has the wrong type"),
        ({"RestartPolicy": {"Name": 5}}, "value of Name has the wrong type"),
        ({"Sysctls": {"kernel.panic": "1"}}, "sysctl 'kernel.panic' is not allowed"),
        ({"CgroupParent": "/a/../../b"}, "invalid cgroup parent"),
    ],
)
def test_a_host_config_that_cannot_be_meant_is_refused(host: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidArgument, match=words):
        check_host(host)


def test_swap_needs_memory_and_more_of_it() -> None:
    check_resources({"Memory": 10 << 20, "MemorySwap": -1})
    with pytest.raises(InvalidArgument, match="larger than memory limit"):
        check_resources({"Memory": 10 << 20, "MemorySwap": 7 << 20})
    with pytest.raises(InvalidArgument, match="always set the Memory limit"):
        check_resources({"MemorySwap": 7 << 20})


@pytest.mark.parametrize(("text", "size"), [("10", 10), ("10k", 10240), ("1.5m", 1572864), ("2g", 2 << 30), ("-1", -1)])
def test_sizes_are_read_as_docker_reads_them(text: str, size: int) -> None:
    assert size_of(text) == size
