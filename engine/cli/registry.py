"""`rorqual registry`: a registry of one's own, and who we are to others'."""

from __future__ import annotations

import os
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import anyio
import typer

from engine.api.errors import Conflict, InvalidArgument, SystemFailure
from engine.cli.addresses import address_of
from engine.cli.connection import connected
from engine.cli.options import EngineOptions, with_options
from engine.cli.remote_names import Insecure, asking, repository_of
from engine.credentials.config import ConfigFile, Credentials, CredentialsFault

if TYPE_CHECKING:
    from engine.registry.server.protocols import BlobStore, Records

registry = typer.Typer(no_args_is_help=True, help="Registries: serve one, log in, look around.")

# Docker Hub, in the words of `docker login`.
HUB = "https://index.docker.io/v1/"
DEFAULT_LISTEN, DEFAULT_ROOT = "127.0.0.1:5000", Path("/var/lib/rorqual/registry")
BASIC, BEARER = "basic", "bearer"


@registry.command("serve")
def serve(
    listen: Annotated[str, typer.Option("--listen", help="ADDR:PORT; :PORT is every address")] = DEFAULT_LISTEN,
    root: Annotated[Path, typer.Option("--root", help="Where the content is kept")] = DEFAULT_ROOT,
    htpasswd: Annotated[
        Path | None, typer.Option("--htpasswd", help="Users and their bcrypt hashes (htpasswd -B); default: everybody")
    ] = None,
    auth: Annotated[
        str, typer.Option("--auth", help="How users of --htpasswd show who they are: basic or bearer")
    ] = BASIC,
    rights: Annotated[
        Path | None, typer.Option("--rights", help="Lines USER REPOSITORY ACTIONS; default: a user may do all")
    ] = None,
    token_realm: Annotated[str, typer.Option("--token-realm", help="URL of a token server outside, for bearer")] = "",
    token_service: Annotated[str, typer.Option("--token-service", help="What the server calls this registry")] = "",
    token_issuer: Annotated[str, typer.Option("--token-issuer", help="What the server calls itself")] = "",
    token_key: Annotated[
        Path | None, typer.Option("--token-key", help="The server's certificates or public key, PEM")
    ] = None,
    anonymous_pull: Annotated[bool, typer.Option("--anonymous-pull", help="Pulling needs no user")] = False,
    tls_cert: Annotated[Path | None, typer.Option("--tls-cert", help="The certificate, PEM, with its chain")] = None,
    tls_key: Annotated[Path | None, typer.Option("--tls-key", help="The certificate's private key, PEM")] = None,
    read_only: Annotated[bool, typer.Option("--read-only", help="Refuse every change")] = False,
    sparse: Annotated[bool, typer.Option("--sparse", help="Take images though blobs of theirs are missing")] = False,
    gc_minutes: Annotated[float, typer.Option("--gc-minutes", help="How often garbage is collected; 0: never")] = 60,
    gc_grace_minutes: Annotated[
        float, typer.Option("--gc-grace-minutes", help="How long uploads and blobs without a manifest are kept")
    ] = 24 * 60,
) -> None:
    """Serve an OCI registry. Example: rorqual registry serve --listen 127.0.0.1:5000 --root /srv/registry"""
    host, port = address_of("--listen", listen)
    if auth not in {BASIC, BEARER}:
        raise InvalidArgument(f'--auth is "{auth}": want basic or bearer')
    if (tls_cert is None) is not (tls_key is None):
        raise InvalidArgument("--tls-cert and --tls-key belong together: name both or neither")
    if htpasswd is None and (anonymous_pull or auth == BEARER or rights is not None):
        about = "--auth bearer, --rights and --anonymous-pull"
        raise InvalidArgument(f"{about} say something only about the users of --htpasswd")
    outside = (token_realm, token_service, token_issuer, token_key)
    if any(outside) and (htpasswd is not None or not all(outside)):
        raise InvalidArgument(
            "--token-realm, --token-service, --token-issuer and --token-key belong together, and go without --htpasswd"
        )
    # late: SQLite and the server
    from engine.http.listen import bind_tcp
    from engine.http.tls import server_context
    from engine.kit.lock import Owned, sole_owner_of
    from engine.registry.server.outside import TokenServer
    from engine.registry.server.serving import Serving, run_registry
    from engine.registry.server.textfile import UsersInvalid

    root = root.absolute()
    root.mkdir(mode=0o750, parents=True, exist_ok=True)
    try:
        tls = server_context(tls_cert, tls_key) if tls_cert is not None and tls_key is not None else None
        listener = bind_tcp(host, port)
    except OSError as error:
        raise SystemFailure(f"can't listen on {listen}: {error.strerror or error}") from error
    serving = Serving(
        listener,
        tls=tls,
        htpasswd=htpasswd,
        rights=rights,
        token_server=TokenServer(token_realm, token_service, token_issuer, token_key) if token_key else None,
        bearer=auth == BEARER,
        anonymous_pull=anonymous_pull,
        read_only=read_only,
        sparse=sparse,
        gc_seconds=gc_minutes * 60,
        gc_grace_seconds=gc_grace_minutes * 60,
    )
    try:
        with sole_owner_of(root), stores(root) as (blobs, records):
            anyio.run(run_registry, serving, blobs, records)
    except Owned:
        raise Conflict(f"another registry works in {root}; stop it, or choose another --root") from None
    except UsersInvalid as fault:
        raise InvalidArgument(str(fault)) from fault
    finally:
        listener.close()


@contextmanager
def stores(root: Path) -> Iterator[tuple[BlobStore, Records]]:
    """The daemon's kinds of stores, in the registry's own folder."""
    # late: SQLite
    from engine.daemon.content.blobs import Blobs
    from engine.daemon.store.records import RecordStore

    records = RecordStore(root / "records.db")
    try:
        yield Blobs(root / "content"), records
    finally:
        records.checkpoint()
        records.close()


Server = Annotated[str, typer.Argument(metavar="[SERVER]", help="HOST[:PORT]; default: Docker Hub")]


@registry.command("login")
@with_options(EngineOptions)
def login(
    engine: EngineOptions,
    server: Server = "",
    username: Annotated[str, typer.Option("--username", "-u", help="The user")] = "",
    password: Annotated[str, typer.Option("--password", "-p", help="The password; others can see it in `ps`")] = "",
    password_stdin: Annotated[bool, typer.Option("--password-stdin", help="Read the password from stdin")] = False,
) -> None:
    """Try a user at a registry, and remember it for Docker too. Example: rorqual registry login -u me host:5000"""
    if password and password_stdin:
        raise InvalidArgument("--password and --password-stdin each name a password; leave one out")
    if password_stdin:
        password = sys.stdin.read().rstrip("\r\n")
    if not username and sys.stdin.isatty() and not password_stdin:
        username = typer.prompt("Username")
    if not password and sys.stdin.isatty() and not password_stdin:
        password = typer.prompt("Password", hide_input=True)
    if not username or not password:
        raise InvalidArgument("a user and a password are needed: -u USER --password-stdin, or a terminal to ask on")

    async def run() -> str:
        auth = Credentials(username=username, password=password, serveraddress=server or HUB)
        async with connected(engine) as client:
            answer = await client.system.auth(auth)
        if answer.get("IdentityToken"):
            auth = Credentials(username=username, identitytoken=answer["IdentityToken"])
        file = await config().remember(server or "docker.io", auth)
        file.write()
        return answer["Status"]

    anyio.run(told_of_credentials, run)


@registry.command("logout")
def logout(server: Server = "") -> None:
    """Forget a registry's user. Example: rorqual registry logout host:5000"""

    async def run() -> str:
        file, known = await config().forget(server or "docker.io")
        if not known:
            return f"Not logged in to {server or 'Docker Hub'}"
        file.write()
        return f"Removing login credentials for {server or HUB}"

    anyio.run(told_of_credentials, run)


@registry.command("ls")
def list_(
    name: Annotated[str, typer.Argument(metavar="HOST[:PORT][/REPOSITORY]", help="A registry, or a repository in it")],
    insecure: Insecure = False,
) -> None:
    """List a registry's repositories, or a repository's tags. Example: rorqual registry ls localhost:5000"""
    host, slash, path = name.partition("/")

    async def run() -> list[str]:
        async with asking(host, insecure) as (registries, auth):
            if slash and path:
                return await registries.remote(repository_of(name), auth).tags()
            return await registries.catalog(registries.session(host, auth))

    for found in anyio.run(run):
        print(found)


def config() -> ConfigFile:
    try:
        return ConfigFile.read(os.environ)
    except CredentialsFault as error:
        raise InvalidArgument(str(error)) from error


async def told_of_credentials(work: Callable[[], Awaitable[str]]) -> None:
    try:
        print(await work())
    except CredentialsFault as error:
        raise InvalidArgument(str(error)) from error
