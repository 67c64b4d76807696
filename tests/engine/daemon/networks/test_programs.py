"""Beside a real ufw or firewalld, with a FORWARD policy of DROP: containers reach out and published ports are reached,
what is not published is not, and nothing of ours is left in their rules. Each program runs on copies of its settings.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.engines import RunningEngine, needs, running_rorqual, short_folder

pytestmark = [pytest.mark.root, pytest.mark.slow]
OUTSIDE, HOST, PORT = "198.51.100.2", "198.51.100.1", 8080
PATIENCE_SECONDS = 30
BUS = """<busconfig><type>system</type><listen>unix:path={path}</listen><auth>EXTERNAL</auth>
<policy context="default"><allow user="*"/><allow own="*"/><allow send_type="method_call"/><allow send_type="signal"/>
<allow send_requested_reply="true"/><allow receive_type="method_call"/><allow receive_type="method_return"/>
<allow receive_type="error"/><allow receive_type="signal"/></policy></busconfig>"""
Run = Callable[..., str]


def eventually(holds: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.2)
    return True


@contextmanager
def process(command: Sequence[str]) -> Iterator[subprocess.Popen[bytes]]:
    running = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield running
    finally:
        running.kill()
        running.wait()


def on_copies(engine: RunningEngine, settings: Path, name: str, *command: str) -> list[str]:
    """A command in the engine's network namespace that sees copies of the program's settings, and an empty /run."""
    script = f'mount -t tmpfs t /run && mount --bind {settings} /etc/{name} && exec "$@"'
    return ["nsenter", f"--net=/proc/{engine.pid}/ns/net", "unshare", "--mount", "sh", "-c", script, "sh", *command]


@contextmanager
def firewall(
    name: str, engine: RunningEngine, folder: Path
) -> Iterator[tuple[Callable[[], object], Callable[[], str]]]:
    """The program in force → (how it is reloaded, what it has of others)."""
    settings = folder / name
    shutil.copytree(f"/etc/{name}", settings)
    if name == "ufw":
        subprocess.run(on_copies(engine, settings, name, "ufw", "--force", "enable"), check=True, capture_output=True)
        reload = on_copies(engine, settings, name, "ufw", "reload")
        yield lambda: subprocess.run(reload, check=True, capture_output=True), lambda: rules(engine)
        return
    (folder / "bus.conf").write_text(BUS.format(path=folder / "bus"))
    zone = ["firewall-cmd", "--zone=trusted", "--list-interfaces"]
    with ExitStack() as stack:
        stack.enter_context(process(["dbus-daemon", f"--config-file={folder / 'bus.conf'}", "--nofork"]))
        assert eventually((folder / "bus").exists)
        stack.enter_context(process(on_copies(engine, settings, name, "firewalld", "--nofork", "--nopid")))
        assert eventually(lambda: subprocess.run(["firewall-cmd", "--state"], capture_output=True).returncode == 0)
        yield lambda: engine.inside(["firewall-cmd", "--reload"]), lambda: engine.inside(zone).stdout


def rules(engine: RunningEngine) -> str:
    return "".join(line for line in engine.inside(["iptables", "-S"]).stdout.splitlines(True) if "rorqual" in line)


@pytest.mark.parametrize(("name", "programs"), [("ufw", ["ufw"]), ("firewalld", ["firewalld", "dbus-daemon"])])
def test_beside_another_programs_firewall_traffic_goes_as_without_it(
    name: str, programs: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    needs("docker", "iptables")
    if missing := [program for program in programs if shutil.which(program) is None]:
        pytest.skip(f"needs {', '.join(missing)} (apt-get install {name})")
    with ExitStack() as stack:
        folder = stack.enter_context(short_folder())
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={folder / 'bus'}")
        engine = stack.enter_context(running_rorqual(folder))
        reload, has = stack.enter_context(firewall(name, engine, folder))
        far = stack.enter_context(process(["unshare", "--net", "sleep", "1000"])).pid
        assert eventually(lambda: os.readlink(f"/proc/{far}/ns/net") != os.readlink("/proc/self/ns/net"))
        outside = ["nsenter", f"--net=/proc/{far}/ns/net"]
        wires = f"ip link add up0 type veth peer name up1 netns {far} && ip addr add {HOST}/24 dev up0"
        engine.inside(["sh", "-c", f"{wires} && ip link set up0 up"])
        routed = f"ip addr add {OUTSIDE}/24 dev up1; ip link set up1 up; ip route add 172.16.0.0/12 via {HOST}"
        subprocess.run([*outside, "sh", "-c", routed], check=True)
        stack.enter_context(process([*outside, sys.executable, "-m", "http.server", "--bind", OUTSIDE, "9000"]))

        def docker(*words: str) -> str:
            done = subprocess.run(
                ["docker", f"--host={engine.host}", *words], capture_output=True, text=True, check=True
            )
            return done.stdout.strip()

        docker("network", "create", "near")
        serve = "echo hello > /index.html; exec httpd -f -h / -p 80"
        docker("run", "-d", "--name=web", "--network=near", f"--publish={PORT}:80", engine.image, "sh", "-c", serve)
        bridge = f"br-{docker('network', 'inspect', 'near', '--format={{.Id}}')[:12]}"
        address = docker("inspect", "web", "--format={{.NetworkSettings.Networks.near.IPAddress}}")

        def fetched(where: Sequence[str], host: str, port: int) -> bool:
            fetch = "import sys, urllib.request as u; u.urlopen(sys.argv[1], timeout=2)"
            command = [*where, sys.executable, "-c", fetch, f"http://{host}:{port}/"]
            return subprocess.run(command, capture_output=True, check=False).returncode == 0

        def reaches_out() -> bool:
            ask = f"printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 2 {OUTSIDE} 9000 | grep -q 200"
            words = ["docker", f"--host={engine.host}", "exec", "web", "sh", "-c", ask]
            return subprocess.run(words, capture_output=True, check=False).returncode == 0

        for _ in range(2):
            assert eventually(reaches_out)
            assert eventually(lambda: fetched(outside, HOST, PORT))
            assert not fetched(outside, address, 80), "what is not published is not reached"
            assert bridge in has()
            reload()
        docker("rm", "-f", "web")
        docker("network", "rm", "near")
        assert eventually(lambda: bridge not in has())
