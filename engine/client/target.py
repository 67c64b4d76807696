"""Which engine: from flags, environment, Docker's contexts and the sockets that are there (CLI.md) to one Target."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from engine.api.errors import InvalidArgument, Unavailable
from engine.credentials.config import ConfigFile, CredentialsFault, config_folder
from engine.credentials.contexts import ContextStore

FOUND = "found: "
SCHEMES = ("unix", "tcp", "ssh")


class NoEngineFound(Unavailable):
    """Nothing names an engine, and none was found on this machine: one may be started."""


@dataclass(frozen=True, slots=True)
class Tls:
    """`folder` holds ca.pem, cert.pem and key.pem, each if it is there."""

    folder: Path
    verify: bool = True


@dataclass(frozen=True, slots=True)
class Target:
    """`address` is how messages name the engine; `chosen_by` is where it came from (DOCKER_HOST, context "prod")."""

    address: str
    chosen_by: str
    tls: Tls | None = None

    @property
    def detected(self) -> bool:
        """Whether nobody named it: it was found on this machine."""
        return self.chosen_by.startswith(FOUND)

    @property
    def url(self) -> SplitResult:
        return urlsplit(self.address)

    @property
    def scheme(self) -> str:
        return self.url.scheme


def resolve_target(
    host: str | None = None, context: str | None = None, environment: Mapping[str, str] = os.environ
) -> Target:
    """The engine that the user means. `host` and `context` are the flags.

    Raises InvalidArgument for what can't be meant, NoEngineFound when nothing is named and no engine is there.
    """
    if host is not None and context is not None:
        raise InvalidArgument("--context and --host can't be used together: each names an engine; leave one out")
    if host is not None:
        return from_host(host, "--host", environment)
    if context is not None:
        return from_context(context, "--context", environment)
    for variable in ("RORQUAL_HOST", "DOCKER_HOST"):
        if environment.get(variable):
            return from_host(environment[variable], variable, environment)
    if environment.get("DOCKER_CONTEXT"):
        return from_context(environment["DOCKER_CONTEXT"], "DOCKER_CONTEXT", environment)
    current = current_context(environment)
    if current is not None:
        return from_context(current, "the current context", environment)
    return detect(environment)


def current_context(environment: Mapping[str, str]) -> str | None:
    """The current context of Docker's config.json, None when it is "default"."""
    try:
        name = ConfigFile.read(environment).current_context
    except CredentialsFault as error:
        raise InvalidArgument(str(error)) from error
    return None if name == "default" else name


def from_host(text: str, chosen_by: str, environment: Mapping[str, str]) -> Target:
    """A host as Docker writes it; TLS from DOCKER_TLS_VERIFY and DOCKER_CERT_PATH applies to tcp only."""
    target = Target(normal(text, chosen_by), chosen_by)
    if target.scheme != "tcp" or not (environment.get("DOCKER_TLS_VERIFY") or environment.get("DOCKER_TLS")):
        return target
    folder = environment.get("DOCKER_CERT_PATH")
    verify = bool(environment.get("DOCKER_TLS_VERIFY"))
    return replace(target, tls=Tls(Path(folder) if folder else config_folder(environment), verify))


def from_context(name: str, chosen_by: str, environment: Mapping[str, str]) -> Target:
    if name == "default":
        chosen = environment.get("DOCKER_HOST")
        return from_host(chosen, "DOCKER_HOST", environment) if chosen else detect(environment)
    try:
        context = ContextStore(environment).find(name)
    except CredentialsFault as error:
        raise InvalidArgument(str(error)) from error
    if context is None:
        raise InvalidArgument(f'there is no context "{name}", named by {chosen_by}; `rorqual context ls` lists them')
    if not context.host:
        raise InvalidArgument(f'the context "{name}" names no engine')
    target = Target(normal(context.host, f'context "{name}"'), f'context "{name}"')
    if target.scheme == "tcp" and (context.tls is not None or context.skip_tls_verify):
        return replace(target, tls=Tls(context.tls or Path(), verify=not context.skip_tls_verify))
    return target


def normal(text: str, chosen_by: str) -> str:
    """The address with its scheme and, for tcp, its port. Raises InvalidArgument naming where it was set."""
    text = text.strip()
    if text.startswith("/"):
        text = f"unix://{text}"
    elif "://" not in text:
        text = f"tcp://{text}"
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError as error:
        raise InvalidArgument(f'{chosen_by}: "{text}" is no address of an engine: {error}') from error
    if url.scheme not in SCHEMES:
        raise InvalidArgument(f'{chosen_by}: "{text}" is no address of an engine: write unix://, tcp:// or ssh://')
    if url.scheme == "unix":
        if not url.netloc + url.path:
            raise InvalidArgument(f'{chosen_by}: "{text}" names no socket')
        return f"unix://{url.netloc + url.path}"
    if url.hostname is None and url.scheme == "ssh":
        raise InvalidArgument(f'{chosen_by}: "{text}" names no host')
    if (url.hostname or "").startswith("-") or (url.username or "").startswith("-"):
        raise InvalidArgument(f'{chosen_by}: "{text}": a host or user can\'t start with "-"')
    if url.password is not None:
        raise InvalidArgument(f"{chosen_by}: an address can't hold a password; ssh takes keys from its agent")
    if url.scheme == "tcp":
        name = f"[{url.hostname}]" if ":" in (url.hostname or "") else url.hostname or "localhost"
        return f"tcp://{name}:{port or 2375}"
    return text.rstrip("/")


def sockets(environment: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Where engines listen on this machine, in the order of preference → (path, what it would be)."""
    yield "/run/rorqual/engine.sock", "the embedded engine"
    yield "/var/run/docker.sock", "Docker"
    runtime = environment.get("XDG_RUNTIME_DIR")
    if runtime:
        yield f"{runtime}/docker.sock", "rootless Docker"
    named = environment.get("CONTAINER_HOST", "")
    if named.startswith("unix://"):
        yield named.removeprefix("unix://"), "CONTAINER_HOST"
    yield "/run/podman/podman.sock", "Podman"
    if runtime:
        yield f"{runtime}/podman/podman.sock", "rootless Podman"


def reachable_targets(environment: Mapping[str, str]) -> Iterator[Target]:
    """The engines on this machine whose sockets take a connection, in the order of preference."""
    for path, kind in sockets(environment):
        if refusal(path) is None:
            yield Target(f"unix://{path}", f"{FOUND}{kind}")
    named = environment.get("CONTAINER_HOST", "")
    if named and not named.startswith("unix://"):
        yield from_host(named, "CONTAINER_HOST", environment)


def detect(environment: Mapping[str, str]) -> Target:
    found = next(reachable_targets(environment), None)
    if found is not None:
        return found
    refused = [f"{path}: {why}" for path, _ in sockets(environment) if (why := refusal(path)) not in (None, "absent")]
    tried = f" (tried {'; '.join(refused)})" if refused else ""
    raise NoEngineFound(
        f"no container engine was found on this machine{tried}; start Docker or Podman's socket, "
        "or name an engine with -H, DOCKER_HOST or a Docker context"
    )


def refusal(path: str) -> str | None:
    """Why a socket takes no connection, None when it does. A socket's file outlives a dead engine: so connect."""
    try:
        if not stat.S_ISSOCK(os.stat(path).st_mode):
            return "not a socket"
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(1)
            probe.connect(path)
    except (FileNotFoundError, NotADirectoryError):
        return "absent"
    except OSError as error:
        return (error.strerror or str(error)).lower()
    return None
