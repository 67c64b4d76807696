"""`rorqual daemon`: the embedded engine in the foreground; `rorqual daemon stop` ends one that runs."""

from __future__ import annotations

import hashlib
import os
import select
import signal
import sys
from importlib.metadata import version as installed_version
from pathlib import Path
from socket import socket as Socket
from typing import Annotated, Any

import typer

from engine.api.errors import Forbidden, InvalidArgument, SystemFailure
from engine.cli.options import said_beside

DEFAULT_ROOT, DEFAULT_SOCKET = Path("/var/lib/rorqual"), Path("/run/rorqual/engine.sock")
RUNS = Path("/run/rorqual")
GROUP = "rorqual"
STOP_SECONDS = 30

daemon = typer.Typer(invoke_without_command=True, help="The embedded engine.")

Root = Annotated[Path, typer.Option("--root", help="Where images, volumes and records are kept")]
Run = Annotated[
    Path | None, typer.Option("--run", help="Where what lives is kept (default: /run/rorqual/<hash of root>)")
]


def run_folder(root: Path, run: Path | None) -> Path:
    """Several daemons on one machine each have their own."""
    return run or RUNS / hashlib.sha256(str(root.absolute()).encode()).hexdigest()[:12]


@daemon.callback()
def serve(
    call: typer.Context,
    socket: Annotated[Path, typer.Option("--socket", help="The unix socket to listen on")] = DEFAULT_SOCKET,
    root: Root = DEFAULT_ROOT,
    run: Run = None,
    runtime: Annotated[
        str | None, typer.Option("--runtime", help="crun or runc (default: crun where it works)")
    ] = None,
    registry_mirror: Annotated[
        list[str] | None, typer.Option("--registry-mirror", help="URL to ask before Docker Hub; repeatable")
    ] = None,
    insecure_registry: Annotated[
        list[str] | None,
        typer.Option("--insecure-registry", help="HOST[:PORT] or network that may speak plain HTTP; repeatable"),
    ] = None,
    registry: Annotated[
        str | None, typer.Option("--registry", help="Serve a registry too, at ADDR:PORT, with its content in --root")
    ] = None,
    tls_listen: Annotated[
        str | None, typer.Option("--tls-listen", help="HOST:PORT for clients that show a certificate")
    ] = None,
    tls_ca: Annotated[Path | None, typer.Option("--tls-ca", help="Whose certificates clients must show, PEM")] = None,
    tls_cert: Annotated[Path | None, typer.Option("--tls-cert", help="Our own certificate, PEM")] = None,
    tls_key: Annotated[Path | None, typer.Option("--tls-key", help="Its private key, PEM")] = None,
    idle_minutes: Annotated[
        float | None, typer.Option("--idle-minutes", help="End after so long with no container and no client")
    ] = None,
) -> None:
    """Serve the Docker Engine API. Example: rorqual daemon --socket /run/rorqual/engine.sock"""
    if call.invoked_subcommand is not None:
        if early := said_beside(call, ()):
            word = call.invoked_subcommand
            raise typer.BadParameter(f"{early[0]} goes after the command: rorqual daemon {word} {early[0]} …")
        return
    if os.getuid() != 0:
        raise Forbidden("the embedded engine needs root: run it with sudo, or use Podman's rootless socket")
    # late: an event loop, SQLite and the whole engine
    import anyio

    from engine.daemon.app import Settings, run_daemon
    from engine.daemon.protocols import Places
    from engine.http.listen import bind_unix, handed_over
    from engine.registry.client.policy import Policy
    from engine.registry.server.serving import Serving

    if registry is not None and idle_minutes is not None:
        raise InvalidArgument("--idle-minutes would end the registry too: leave it out, or --registry")
    served = listening("--registry", registry) if registry is not None else None
    secured = secured_listener(tls_listen, tls_ca, tls_cert, tls_key)
    places = Places(root.absolute(), run_folder(root, run).absolute(), socket.absolute())
    listeners = handed_over(os.environ)
    own = not listeners
    if own:
        listeners = [bind_unix(places.socket, group=GROUP)]
    try:
        settings = Settings(
            places,
            installed_version("rorqual"),
            listeners,
            idle_seconds=idle_minutes * 60 if idle_minutes is not None else None,
            runtime=runtime,
            secured=secured,
            registries=Policy(
                mirrors=tuple(registry_mirror or ()),
                insecure=tuple(insecure_registry or ()),
                environment=dict(os.environ),
            ),
            registry=Serving(served) if served is not None else None,
        )
        anyio.run(run_daemon, settings)
    finally:
        others = [served] if served is not None else []
        others += [secured[0]] if secured is not None else []
        for listener in [*listeners, *others]:
            listener.close()
        if own:
            places.socket.unlink(missing_ok=True)


def listening(flag: str, text: str) -> Socket:
    """Raises InvalidArgument, SystemFailure."""
    from engine.cli.addresses import address_of
    from engine.http.listen import bind_tcp

    host, port = address_of(flag, text)
    try:
        return bind_tcp(host, port)
    except OSError as error:
        raise SystemFailure(f"can't listen on {text}: {error.strerror or error}") from error


def secured_listener(
    address: str | None, ca: Path | None, certificate: Path | None, key: Path | None
) -> tuple[Any, Any] | None:
    """The TCP socket and its TLS, bound. Raises InvalidArgument: over a network there is no engine without both sides'
    certificates, since who reaches it is root.
    """
    if address is None and ca is None and certificate is None and key is None:
        return None
    if address is None or ca is None or certificate is None or key is None:
        raise InvalidArgument("--tls-listen, --tls-ca, --tls-cert and --tls-key belong together: name all four")
    # late: only a daemon on the network needs it
    from engine.http.tls import mutual_context

    context = mutual_context(certificate, key, ca)
    return listening("--tls-listen", address), context


@daemon.command("unit")
def unit(
    to: Annotated[
        Path | None, typer.Option("--to", help="Write both into this folder, such as /etc/systemd/system")
    ] = None,
    socket: Annotated[Path, typer.Option("--socket", help="The unix socket to listen on")] = DEFAULT_SOCKET,
    root: Root = DEFAULT_ROOT,
    run: Run = None,
) -> None:
    """Print the systemd units, or write them. Example: rorqual daemon unit --to /etc/systemd/system"""
    from engine.cli.units import SERVICE, SOCKET, service_unit, socket_unit

    flags = [f"--socket={socket.absolute()}", f"--root={root.absolute()}"]
    if run is not None:
        flags.append(f"--run={run.absolute()}")
    texts = {
        SERVICE: service_unit(str(Path(sys.argv[0]).absolute()), flags),
        SOCKET: socket_unit(str(socket.absolute()), owner_group()),
    }
    for name, text in texts.items():
        if to is None:
            print(f"# {name}\n{text}")
        else:
            (to / name).write_text(text)
            print(f"wrote {to / name}")
    if to is not None:
        print(f"now: systemctl daemon-reload && systemctl enable --now {SOCKET} {SERVICE}")


def owner_group() -> str:
    """The group that may speak to the engine, where it exists; else root's."""
    import grp

    try:
        return grp.getgrnam(GROUP).gr_name
    except KeyError:
        return "root"


@daemon.command("stop")
def stop(root: Root = DEFAULT_ROOT, run: Run = None) -> None:
    """End the daemon; its containers live on. Example: rorqual daemon stop"""
    from engine.daemon.lives import running_daemon

    found = running_daemon(run_folder(root, run))
    if found is None:
        print("no daemon is running")
        return
    pid, where = found
    end(pid)
    print(f"stopped the daemon at {where}")


def end(pid: int) -> None:
    """SIGTERM, and wait for the end. Raises SystemFailure when it does not come."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        signal.pidfd_send_signal(handle, signal.SIGTERM)
        poller: Any = select.poll()
        poller.register(handle, select.POLLIN)
        if not poller.poll(STOP_SECONDS * 1000):
            raise SystemFailure(f"the daemon (process {pid}) did not end within {STOP_SECONDS} seconds")
    finally:
        os.close(handle)
