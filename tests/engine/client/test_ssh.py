"""An engine behind ssh: the system's ssh, a real sshd on loopback, `docker system dial-stdio` on the far side."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest

from engine.api.errors import Unavailable
from engine.client.session import open_client
from engine.client.target import resolve_target
from engine.http.ssh import SshHost, master_folder, ssh_command
from tests.engines import RunningEngine, short_folder

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def far(docker_engine: RunningEngine) -> Iterator[tuple[str, dict[str, str]]]:
    """An address and the environment in which `ssh` knows its keys; the far side's DOCKER_HOST is the test's engine."""
    sshd = shutil.which("sshd", path="/usr/sbin:/usr/bin")
    if sshd is None or shutil.which("docker") is None:
        pytest.skip("needs openssh-server and the docker command")
    with short_folder() as folder:
        for name in ("host", "user"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
        shutil.copy(folder / "user.pub", folder / "authorized")
        Path("/run/sshd").mkdir(exist_ok=True)
        (folder / "sshd_config").write_text(
            f"ListenAddress 127.0.0.1\nHostKey {folder}/host\nAuthorizedKeysFile {folder}/authorized\n"
            f"PidFile none\nStrictModes no\nUsePAM no\nSetEnv DOCKER_HOST={docker_engine.host}\n"
            "PermitRootLogin prohibit-password\n"
        )
        (folder / "ssh_config").write_text(
            f"IdentityFile {folder}/user\nIdentitiesOnly yes\nUserKnownHostsFile {folder}/known\n"
            "StrictHostKeyChecking accept-new\n"
        )
        (folder / "bin").mkdir()
        wrapper = folder / "bin" / "ssh"
        wrapper.write_text(f'#!/bin/sh\necho >>{folder}/calls\nexec /usr/bin/ssh -F {folder}/ssh_config "$@"\n')
        wrapper.chmod(0o755)
        port = free_port()
        process = subprocess.Popen(
            [sshd, "-D", "-e", "-f", folder / "sshd_config", "-p", str(port)], stderr=subprocess.DEVNULL
        )
        try:
            wait_for(port)
            runtime = folder / "run"
            runtime.mkdir(mode=0o700)
            yield f"ssh://root@127.0.0.1:{port}", {"PATH": str(wrapper.parent), "XDG_RUNTIME_DIR": str(runtime)}
        finally:
            for master in (folder / "run").glob("ssh-*"):
                subprocess.run(
                    ["ssh", "-o", f"ControlPath={master}", "-O", "exit", "x"], capture_output=True, check=False
                )
            process.terminate()
            process.wait(10)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(port: int) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    pytest.fail("sshd did not start")


@pytest.mark.root
async def test_calls_and_streams_go_over_ssh_and_share_one_master(
    far: tuple[str, dict[str, str]], docker_engine: RunningEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    address, environment = far
    monkeypatch.setenv("PATH", f"{environment['PATH']}:{os.environ['PATH']}")
    with anyio.fail_after(60):
        async with open_client(resolve_target(address), environment) as engine:
            assert (await engine.system.version())["ApiVersion"] == "1.41"
            made = await engine.containers.create({"Image": docker_engine.image, "Cmd": ["sleep", "1000"]})
            await engine.containers.start(made["Id"])
            asked = {"Cmd": ["sh", "-c", "cat; echo after"], "AttachStdin": True, "AttachStdout": True}
            exec_id = await engine.exec.create(made["Id"], asked)  # type: ignore[arg-type]
            async with engine.exec.start(exec_id) as joined:
                await joined.send(b"over ssh\n")
                await joined.send_eof()
                said = b"".join([frame.data async for frame in joined])
            await engine.containers.remove(made["Id"], force=True)
    assert said == b"over ssh\nafter\n"
    assert len(os.listdir(environment["XDG_RUNTIME_DIR"])) == 1


@pytest.mark.root
async def test_what_ssh_says_is_the_reason(far: tuple[str, dict[str, str]], monkeypatch: pytest.MonkeyPatch) -> None:
    _, environment = far
    monkeypatch.setenv("PATH", f"{environment['PATH']}:{os.environ['PATH']}")
    with pytest.raises(Unavailable, match=r"ssh://root@127\.0\.0\.1:1: .*Connection refused"):
        async with open_client(resolve_target("ssh://root@127.0.0.1:1"), environment):
            pass


def test_a_shared_master_needs_a_folder_that_is_ours_alone(tmp_path: Path) -> None:
    open_to_all, closed = tmp_path / "open", tmp_path / "closed"
    open_to_all.mkdir()
    open_to_all.chmod(0o777)
    closed.mkdir(mode=0o700)
    assert master_folder({"XDG_RUNTIME_DIR": str(open_to_all)}) is None
    assert master_folder({"XDG_RUNTIME_DIR": str(closed)}) == closed
    command = ssh_command(SshHost("h", "me", 22), master=None)
    assert not [word for word in command if "Control" in word]
    assert command[-3:-1] == ["--", "h"]
