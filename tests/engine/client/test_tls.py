"""TLS as Docker does it: both sides show certificates, and a stdin that ends does not end the connection."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import anyio
import pytest

from engine.api.errors import InvalidArgument, Unavailable
from engine.client.session import open_client
from engine.client.target import resolve_target
from tests.engines import RunningEngine, answers, load_image, needs, short_folder

pytestmark = [pytest.mark.root, pytest.mark.anyio]


@dataclass(frozen=True, slots=True)
class Secured:
    """A TLS port before the engine's socket, with Docker's own rules; `certificates` is a DOCKER_CERT_PATH."""

    host: str
    certificates: Path
    image: str

    @property
    def environment(self) -> dict[str, str]:
        return {"DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": str(self.certificates), "DOCKER_CONFIG": "/nowhere"}


def make_certificates(folder: Path) -> None:
    """ca, server and client: what Docker's manual has one make."""

    def openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)

    def new_key(name: str, subject: str, *more: str) -> None:
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}-key.pem", "-subj", f"/CN={subject}", *more)

    new_key("ca", "test-ca", "-x509", "-days", "2", "-out", "ca.pem")
    (folder / "san").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\n")
    for name in ("server", "client"):
        new_key(name, name, "-out", f"{name}.csr")
        sign = ["x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca-key.pem", "-CAcreateserial"]
        openssl(*sign, "-days", "2", "-extfile", "san", "-out", f"{name}.pem")
    shutil.copy(folder / "client.pem", folder / "cert.pem")
    shutil.copy(folder / "client-key.pem", folder / "key.pem")


@pytest.fixture(scope="module")
def secured() -> Iterator[Secured]:
    """A dockerd that listens by TLS on loopback, in this network namespace; without bridge or firewall of its own."""
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl")
    needs("dockerd")
    with short_folder() as folder:
        make_certificates(folder)
        port = 23760
        (folder / "daemon.json").write_text("{}")
        command = [
            "dockerd",
            f"--config-file={folder / 'daemon.json'}",
            f"--host=unix://{folder / 's'}",
            f"--host=tcp://127.0.0.1:{port}",
            "--tlsverify",
            f"--tlscacert={folder / 'ca.pem'}",
            f"--tlscert={folder / 'server.pem'}",
            f"--tlskey={folder / 'server-key.pem'}",
            f"--data-root={folder / 'data'}",
            f"--exec-root={folder / 'exec'}",
            f"--pidfile={folder / 'pid'}",
            "--bridge=none",
            "--iptables=false",
            "--ip-forward=false",
            "--shutdown-timeout=1",
        ]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        try:
            engine = RunningEngine("docker", folder / "s", process.pid)
            wait_until_up(engine, folder / "log")
            anyio.run(load_image, engine)
            yield Secured(f"tcp://127.0.0.1:{port}", folder, engine.image)
        finally:
            process.terminate()
            process.wait(30)


def wait_until_up(engine: RunningEngine, log: Path) -> None:
    deadline = time.monotonic() + 60
    while not answers(engine):
        if time.monotonic() > deadline:
            pytest.fail(log.read_text()[-2000:])
        time.sleep(0.1)


async def test_a_call_goes_over_tls_with_our_certificate(secured: Secured) -> None:
    target = resolve_target(secured.host, None, secured.environment)
    async with open_client(target, secured.environment) as engine:
        assert (await engine.system.version())["ApiVersion"] == "1.41"
        for _ in range(3):
            await engine.system.info()


async def test_the_end_of_stdin_arrives_over_tls_and_the_answer_still_comes(secured: Secured) -> None:
    target = resolve_target(secured.host, None, secured.environment)
    async with open_client(target, secured.environment) as engine:
        body = {"Image": secured.image, "Cmd": ["sleep", "1000"], "HostConfig": {"NetworkMode": "none"}}
        made = await engine.containers.create(body)  # type: ignore[arg-type]
        await engine.containers.start(made["Id"])
        try:
            exec_id = await engine.exec.create(
                made["Id"], {"Cmd": ["sh", "-c", "wc -c; echo after"], "AttachStdin": True, "AttachStdout": True}
            )
            with anyio.fail_after(20):
                async with engine.exec.start(exec_id) as joined:
                    for _ in range(10):
                        await joined.send(b"x" * 100_000)
                    await joined.send_eof()
                    said = b"".join([frame.data async for frame in joined])
            assert said == b"1000000\nafter\n"
        finally:
            await engine.containers.remove(made["Id"], force=True)


async def test_without_our_certificate_the_engine_hangs_up(secured: Secured, tmp_path: Path) -> None:
    shutil.copy(secured.certificates / "ca.pem", tmp_path)
    environment = {**secured.environment, "DOCKER_CERT_PATH": str(tmp_path)}
    with pytest.raises(Unavailable, match=secured.host):
        async with open_client(resolve_target(secured.host, None, environment), environment):
            pass


async def test_an_authority_that_we_do_not_know_is_not_trusted(secured: Secured, tmp_path: Path) -> None:
    environment = {**secured.environment, "DOCKER_CERT_PATH": str(tmp_path)}
    with pytest.raises(Unavailable, match=rf"{secured.host}: the certificate is not trusted"):
        async with open_client(resolve_target(secured.host, None, environment), environment):
            pass


async def test_plain_http_to_a_tls_port_says_what_the_engine_says(secured: Secured) -> None:
    with pytest.raises(Exception, match=r"HTTP request to an HTTPS server"):
        async with open_client(resolve_target(secured.host, None, {"DOCKER_CONFIG": "/nowhere"})):
            pass


async def test_tls_files_that_are_no_certificates_are_named(secured: Secured, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nonsense")
    environment = {**secured.environment, "DOCKER_CERT_PATH": str(tmp_path)}
    with pytest.raises(InvalidArgument, match=str(tmp_path)):
        async with open_client(resolve_target(secured.host, None, environment), environment):
            pass
