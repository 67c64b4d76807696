"""`rorqual context`: names for engines, in Docker's own store, so that both tools see the same."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated, Any

import typer

from engine.api.errors import Conflict, EngineError, InvalidArgument, NotFound
from engine.cli.render.listing import listing, show
from engine.cli.render.template import parse_template
from engine.client.target import detect, from_host, normal
from engine.credentials.config import ConfigFile, CredentialsFault
from engine.credentials.contexts import Context, ContextStore, pem_files, valid_name

DEFAULT = "default"
COLUMNS = {"Name": "NAME", "Description": "DESCRIPTION", "DockerEndpoint": "DOCKER ENDPOINT", "Error": "ERROR"}
INSPECTED = ("Name", "Metadata", "Endpoints", "TLSMaterial", "Storage")
PEM_KEYS = {"ca": "ca.pem", "cert": "cert.pem", "key": "key.pem"}

context = typer.Typer(no_args_is_help=True, help="Names for engines, in Docker's own store.")


def store() -> ContextStore:
    return ContextStore(os.environ)


def config() -> ConfigFile:
    try:
        return ConfigFile.read(os.environ)
    except CredentialsFault as error:
        raise InvalidArgument(str(error)) from error


def current() -> str:
    """The context that commands use now; a host that the environment names makes it the default."""
    if os.environ.get("RORQUAL_HOST") or os.environ.get("DOCKER_HOST"):
        return DEFAULT
    return os.environ.get("DOCKER_CONTEXT") or config().current_context or DEFAULT


def default_host() -> tuple[str, str]:
    """(address, error): where commands go without a context."""
    chosen = os.environ.get("RORQUAL_HOST") or os.environ.get("DOCKER_HOST")
    try:
        found = from_host(chosen, "DOCKER_HOST", os.environ) if chosen else detect(os.environ)
    except EngineError as error:
        return "", error.message
    return found.address, ""


def known(name: str) -> Context:
    if name == DEFAULT:
        return Context(DEFAULT, default_host()[0])
    try:
        found = store().find(name)
    except CredentialsFault as error:
        raise InvalidArgument(str(error)) from error
    if found is None:
        raise NotFound(f'context "{name}" not found; `rorqual context ls` lists them')
    return found


@context.command("ls")
def ls(
    format: Annotated[str, typer.Option("--format", help="table, json or a template")] = "table",
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only names")] = False,
) -> None:
    """List contexts. Example: rorqual context ls"""
    address, fault = default_host()
    rows = [row(DEFAULT, "Current DOCKER_HOST based configuration", address, fault)]
    try:
        rows += [row(each.name, each.description, each.host, "") for each in store().list()]
    except CredentialsFault as error:
        raise InvalidArgument(str(error)) from error
    if quiet:
        show("\n".join(each["Name"] for each in rows))
        return
    if format == "table":
        rows = [{**each, "Name": f"{each['Name']} *" if each["Current"] else each["Name"]} for each in rows]
    show(listing(rows, COLUMNS, format, fields=["Current"]))


def row(name: str, description: str, address: str, fault: str) -> dict[str, Any]:
    return {
        "Name": name,
        "Description": description,
        "DockerEndpoint": address,
        "Error": fault,
        "Current": name == current(),
    }


@context.command("show")
def show_current() -> None:
    """Print the name of the current context. Example: rorqual context show"""
    print(current())


@context.command("create")
def create(
    name: Annotated[str, typer.Argument(help="The new name")],
    docker: Annotated[
        str | None,
        typer.Option("--docker", help="host=…,ca=FILE,cert=FILE,key=FILE,skip-tls-verify=BOOL or from=CONTEXT"),
    ] = None,
    description: Annotated[str, typer.Option("--description", help="What it is for")] = "",
    origin: Annotated[str | None, typer.Option("--from", help="Copy this context's engine")] = None,
) -> None:
    """Name an engine. Example: rorqual context create prod --docker host=ssh://me@prod"""
    if not valid_name(name):
        raise InvalidArgument(
            f'context name "{name}" is invalid: two or more of letters, digits and "_.+-"; not "default"'
        )
    if store().find(name) is not None:
        raise Conflict(f'context "{name}" already exists')
    if docker is not None and origin is not None:
        raise InvalidArgument("--docker and --from can't be used together: each says where the engine is")
    made, pem = copied(name, origin or DEFAULT) if docker is None else described(name, docker)
    text = description or made.description
    store().create(Context(name, made.host, text, made.skip_tls_verify), pem=pem)
    print(name)
    typer.echo(f'Successfully created context "{name}"', err=True)


def copied(name: str, origin: str) -> tuple[Context, dict[str, bytes]]:
    found = known(origin)
    if not found.host:
        raise InvalidArgument("--docker: say where the engine is: host=unix://…, tcp://… or ssh://…")
    pem = dict(pem_files(found.tls)) if found.tls is not None else {}
    return Context(name, found.host, found.description, found.skip_tls_verify), pem


def described(name: str, text: str) -> tuple[Context, dict[str, bytes]]:
    """The context that `host=…,ca=…` describes, and its PEM files."""
    values: dict[str, str] = {}
    for part in text.split(","):
        key, equals, value = part.partition("=")
        if not equals or key not in {"host", "from", "skip-tls-verify", *PEM_KEYS}:
            raise InvalidArgument(f'--docker: "{part}" is none of host=, from=, ca=, cert=, key=, skip-tls-verify=')
        values[key] = value
    if "from" in values:
        return copied(name, values["from"])
    if not values.get("host"):
        raise InvalidArgument("--docker: say where the engine is: host=unix://…, tcp://… or ssh://…")
    pem = {PEM_KEYS[key]: Path(value).expanduser().read_bytes() for key, value in values.items() if key in PEM_KEYS}
    skip = values.get("skip-tls-verify", "false").lower()
    if skip not in {"true", "false", "1", "0"}:
        raise InvalidArgument(f'--docker: skip-tls-verify is true or false, not "{skip}"')
    return Context(name, normal(values["host"], "--docker"), skip_tls_verify=skip in {"true", "1"}), pem


@context.command("inspect")
def inspect(
    names: Annotated[list[str] | None, typer.Argument(help="Contexts; the current one where none is named")] = None,
    format: Annotated[str, typer.Option("--format", "-f", help="json or a template")] = "json",
) -> None:
    """Show all that is known of contexts. Example: rorqual context inspect prod"""
    values = [details(known(name)) for name in names or [current()]]
    if format == "json":
        print(json.dumps(values, indent=4, ensure_ascii=False))
    else:
        template = parse_template(format, INSPECTED)
        show("\n".join(template.render(value) for value in values))


def details(found: Context) -> dict[str, Any]:
    in_memory = found.name == DEFAULT
    material = sorted(name for name, _ in pem_files(found.tls)) if found.tls is not None else []
    return {
        "Name": found.name,
        "Metadata": {"Description": found.description} if found.description else {},
        "Endpoints": {"docker": {"Host": found.host, "SkipTLSVerify": found.skip_tls_verify}},
        "TLSMaterial": {"docker": material} if material else {},
        "Storage": {
            "MetadataPath": "<IN MEMORY>" if in_memory else str(store().meta_folder(found.name)),
            "TLSPath": "<IN MEMORY>" if in_memory else str(store().tls_folder(found.name)),
        },
    }


@context.command("use")
def use(name: Annotated[str, typer.Argument(help="The context that commands shall use")]) -> None:
    """Make a context the current one. Example: rorqual context use prod"""
    known(name)
    config().with_context(None if name == DEFAULT else name).write()
    print(name)
    for variable in ("RORQUAL_HOST", "DOCKER_HOST", "DOCKER_CONTEXT"):
        if os.environ.get(variable):
            typer.echo(f"warning: {variable} is set, and goes before the current context: unset it", err=True)
    typer.echo(f'Current context is now "{name}"', err=True)


@context.command("rm")
def rm(
    names: Annotated[list[str], typer.Argument(help="Contexts to remove")],
    force: Annotated[bool, typer.Option("--force", "-f", help="Even the current one, even missing ones")] = False,
) -> None:
    """Remove contexts; the engines stay as they are. Example: rorqual context rm prod"""
    for name in names:
        if name == DEFAULT:
            raise InvalidArgument('context "default" cannot be removed: it stands for the environment')
        if not force:
            known(name)
        in_use = config().current_context == name
        if in_use and not force:
            raise Conflict(f'context "{name}" is in use, set -f flag to force remove')
        store().remove(name)
        if in_use:
            config().with_context(None).write()
        print(name)
