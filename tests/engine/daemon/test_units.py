"""The daemon under a service manager, and on the network: units, a handed-over socket, TLS from both sides."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest

from engine.cli.units import SERVICE, SOCKET, service_unit, socket_unit
from engine.daemon.protocols import Places
from engine.kit.apart import mount_points
from tests.busybox import REFERENCE
from tests.engine.client.test_tls import make_certificates
from tests.engine.daemon.test_lives import ENVIRONMENT, RORQUAL, await_socket, flags
from tests.engines import RunningEngine, load_image, needs, short_folder

# What systemd does for a socket unit: descriptor 3 is the listening socket, and the daemon is told so.
HAND_OVER = """
import os, socket, sys
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen()
os.dup2(listener.fileno(), 3)
os.set_inheritable(3, True)
os.environ |= {"LISTEN_FDS": "1", "LISTEN_PID": str(os.getpid())}
os.execvp(sys.argv[2], sys.argv[2:])
"""


@pytest.fixture
def place() -> Iterator[Path]:
    needs("unshare", "conmon")
    with short_folder() as place:
        yield place


def test_the_units_keep_containers_alive_and_systemd_takes_them(tmp_path: Path) -> None:
    program = str(Path(sys.executable))
    service = service_unit(program, ["--root=/var/lib/rorqual"])
    assert {"KillMode=process", "Delegate=yes", "Type=notify"} <= set(service.splitlines())
    assert "SocketMode=0660" in socket_unit("/run/rorqual/engine.sock", "root").splitlines()
    if shutil.which("systemd-analyze") is None:
        pytest.skip("needs systemd-analyze")
    (tmp_path / SERVICE).write_text(service)
    (tmp_path / SOCKET).write_text(socket_unit("/run/rorqual/engine.sock", "root"))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(tmp_path / SERVICE), str(tmp_path / SOCKET)],
        capture_output=True,
        text=True,
        env={**os.environ, "SYSTEMD_UNIT_PATH": f"{tmp_path}:"},
    )
    ours = [line for line in done.stderr.splitlines() if SERVICE in line or SOCKET in line]
    assert ours == []


def test_units_are_written_where_they_are_wanted(tmp_path: Path) -> None:
    command = [*RORQUAL, "daemon", "unit", "--to", str(tmp_path), "--root", "/srv/rorqual"]
    subprocess.run(command, env=ENVIRONMENT, check=True, capture_output=True)
    assert "daemon --socket=/run/rorqual/engine.sock --root=/srv/rorqual" in (tmp_path / SERVICE).read_text()
    assert "ListenStream=/run/rorqual/engine.sock" in (tmp_path / SOCKET).read_text()


@pytest.mark.root
def test_a_socket_that_was_handed_over_is_served_and_readiness_told(place: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notified:
        notified.bind(str(place / "notify"))
        notified.settimeout(30)
        daemon = [*RORQUAL, "daemon", *flags(place)]
        command = ["unshare", "--net", sys.executable, "-c", HAND_OVER, str(place / "s"), *daemon]
        environment = {**ENVIRONMENT, "NOTIFY_SOCKET": str(place / "notify")}
        with subprocess.Popen(command, env=environment, text=True) as process:
            assert notified.recv(100) == b"READY=1"
            await_socket(process, place / "s")
            process.terminate()
            assert process.wait(30) == 0
        assert (place / "s").exists()  # it is the service manager's to remove


@pytest.mark.root
def test_a_daemon_that_ends_leaves_no_mount_and_no_process_where_nothing_lives(place: Path) -> None:
    needs("docker")
    command = ["unshare", "--net", *RORQUAL, "daemon", *flags(place), f"--socket={place / 's'}"]
    # on a disk: there the run folder becomes a tmpfs of its own
    with subprocess.Popen(command, env=ENVIRONMENT, text=True) as process:
        await_socket(process, place / "s")
        # the first network of a user's own is what the process that answers names is started for
        docker = ["docker", "-H", f"unix://{place / 's'}", "network", "create", "one"]
        subprocess.run(docker, check=True, capture_output=True)
        process.terminate()
        assert process.wait(30) == 0
    assert str(place) not in Path("/proc/self/mounts").read_text()
    left = subprocess.run(["pgrep", "-f", f"steward {place}"], capture_output=True, text=True)
    assert left.stdout == ""


@pytest.mark.root
def test_over_tcp_only_a_client_with_a_certificate_is_answered(place: Path) -> None:
    needs("openssl", "nsenter")
    make_certificates(place)
    words = ["--tls-listen=127.0.0.1:2376", f"--tls-ca={place / 'ca.pem'}"]
    words += [f"--tls-cert={place / 'server.pem'}", f"--tls-key={place / 'server-key.pem'}"]
    script = 'ip link set lo up && exec "$@"'
    command = [
        "unshare",
        "--net",
        "sh",
        "-c",
        script,
        "sh",
        *RORQUAL,
        "daemon",
        *flags(place),
        f"--socket={place / 's'}",
    ]
    with subprocess.Popen([*command, *words], env=ENVIRONMENT, text=True) as process:
        await_socket(process, place / "s")
        (place / "docker").mkdir()
        for ours, theirs in (("ca", "ca"), ("client", "cert"), ("client-key", "key")):
            shutil.copy(place / f"{ours}.pem", place / "docker" / f"{theirs}.pem")
        inside = ["nsenter", f"--net=/proc/{process.pid}/ns/net"]
        docker = ["docker", "-H", "tcp://127.0.0.1:2376", "--tlsverify"]
        environment = {**os.environ, "DOCKER_CERT_PATH": str(place / "docker"), "DOCKER_CONFIG": str(place / "none")}
        done = subprocess.run([*inside, *docker, "ps"], env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        (place / "docker" / "cert.pem").unlink()
        (place / "docker" / "key.pem").unlink()
        done = subprocess.run([*inside, *docker, "ps"], env=environment, capture_output=True, text=True)
        assert done.returncode != 0
        plain = subprocess.run([*inside, "docker", "-H", "tcp://127.0.0.1:2376", "ps"], capture_output=True, text=True)
        assert plain.returncode != 0
        process.terminate()
        assert process.wait(30) == 0


def test_tls_is_both_sides_or_nothing() -> None:
    command = [*RORQUAL, "daemon", "--tls-listen", "127.0.0.1:2376"]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True)
    assert done.returncode == 1
    assert "belong together" in done.stderr or "needs root" in done.stderr


@pytest.mark.root
def test_events_are_told_after_a_restart_too(place: Path) -> None:
    for number in (1, 2):
        command = ["unshare", "--net", *RORQUAL, "daemon", *flags(place), f"--socket={place / 's'}"]
        with subprocess.Popen(command, env=ENVIRONMENT, text=True) as process:
            await_socket(process, place / "s")
            docker = ["docker", "-H", f"unix://{place / 's'}"]
            if number == 1:
                subprocess.run([*docker, "volume", "create", "remembered"], check=True, capture_output=True)
            else:
                words = [
                    "events",
                    "--since",
                    "1h",
                    "--until",
                    str(int(time.time()) + 1),
                    "--format",
                    "{{.Action}} {{.Actor.ID}}",
                ]
                done = subprocess.run([*docker, *words], check=True, capture_output=True, text=True)
                assert "create remembered" in done.stdout.splitlines()
            process.terminate()
            assert process.wait(30) == 0


@pytest.mark.root
def test_monitors_and_the_names_helper_outlive_the_daemon_s_cgroup(place: Path) -> None:
    """A service manager that ends a unit by its cgroup ends the daemon alone."""
    needs("docker", "conmon")
    points = mount_points(Path("/proc/self/mountinfo").read_text().splitlines())
    units = [point / f"rorqual-test-unit-{os.getpid()}" for point in points.values()]
    for unit in units:
        unit.mkdir()
    enter = "".join(f"echo $$ >{unit}/cgroup.procs; " for unit in units)
    daemon = [*RORQUAL, "daemon", *flags(place), f"--socket={place / 's'}"]
    command = ["unshare", "--net", "sh", "-ec", f'{enter} exec "$@"', "sh", *daemon]
    try:
        with subprocess.Popen(command, env=ENVIRONMENT, text=True) as process:
            await_socket(process, place / "s")
            anyio.run(load_image, RunningEngine("rorqual", place / "s", process.pid))
            docker = ["docker", "-H", f"unix://{place / 's'}"]
            subprocess.run([*docker, "network", "create", "own"], check=True, capture_output=True)
            run = [*docker, "run", "-d", "--name=kept", "--network=own", REFERENCE, "sleep", "1000"]
            subprocess.run(run, check=True, capture_output=True)
            assert [members(unit) for unit in units] == [{process.pid}] * len(units)
            for unit in units:
                for pid in members(unit):
                    os.kill(pid, signal.SIGKILL)
            process.wait(30)
        with subprocess.Popen(["unshare", "--net", *daemon], env=ENVIRONMENT, text=True) as process:
            await_socket(process, place / "s")
            show = [*docker, "inspect", "--format={{.State.Status}}", "kept"]
            shown = subprocess.run(show, check=True, capture_output=True, text=True)
            assert shown.stdout == "running\n"
            subprocess.run([*docker, "rm", "-f", "kept"], check=True, capture_output=True)
            process.terminate()
            assert process.wait(30) == 0
        mark = Places(place / "root", place / "run", place / "s").cgroup
        assert not any((point / mark.lstrip("/")).exists() for point in points.values())
    finally:
        for unit in units:
            unit.rmdir()


def members(cgroup: Path) -> set[int]:
    return {int(word) for word in (cgroup / "cgroup.procs").read_text().split()}
