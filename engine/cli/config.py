"""`rorqual config`: the resolved project, or one fact of it, exactly as Docker Compose prints it."""

from __future__ import annotations

import gc
import os
import sys
from typing import Annotated, Any

import typer

from engine.cli.options import EngineOptions, ProjectOptions, with_options
from engine.cli.project import load_project
from specs.load import Loaded
from specs.node import Node
from specs.output import config_hash_of, json_text, json_values

FORMATS = ("yaml", "json", "compose")


@with_options(ProjectOptions, EngineOptions)
def config(
    project: ProjectOptions,
    engine: EngineOptions,
    services: Annotated[list[str] | None, typer.Argument(help="Only these services and what they need")] = None,
    format: Annotated[str, typer.Option("--format", help="yaml, json, compose (without images:)")] = "yaml",
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only check, and print nothing")] = False,
    output: Annotated[str | None, typer.Option("--output", "-o", help="Write to a file")] = None,
    hash: Annotated[str | None, typer.Option("--hash", help="Print config hashes: * or names, with commas")] = None,
    list_services: Annotated[bool, typer.Option("--services", help="Print the names of services")] = False,
    list_volumes: Annotated[bool, typer.Option("--volumes", help="Print the names of volumes")] = False,
    list_networks: Annotated[bool, typer.Option("--networks", help="Print the names of networks")] = False,
    list_models: Annotated[bool, typer.Option("--models", help="Print the models")] = False,
    list_images: Annotated[bool, typer.Option("--images", help="Print the images")] = False,
    list_profiles: Annotated[bool, typer.Option("--profiles", help="Print the profiles")] = False,
    environment: Annotated[bool, typer.Option("--environment", help="Print what variables are taken from")] = False,
    variables: Annotated[bool, typer.Option("--variables", help="Print the variables of the files")] = False,
    strict_env: Annotated[bool, typer.Option("--strict-env", help="An unset variable is an error")] = False,
    no_interpolate: Annotated[bool, typer.Option("--no-interpolate", help="Leave variables as they are")] = False,
    no_normalize: Annotated[bool, typer.Option("--no-normalize", help="Add no defaults")] = False,
    no_path_resolution: Annotated[bool, typer.Option("--no-path-resolution", help="Leave paths as they are")] = False,
    no_consistency: Annotated[bool, typer.Option("--no-consistency", help="Do not check that parts fit")] = False,
    no_env_resolution: Annotated[bool, typer.Option("--no-env-resolution", help="Do not read env files")] = False,
    resolve_image_digests: Annotated[
        bool,
        typer.Option("--resolve-image-digests", help="Pin images to the digests of their tags, by the engine"),
    ] = False,
    lock_image_digests: Annotated[
        bool, typer.Option("--lock-image-digests", help="Print an override file that pins the images, and nothing else")
    ] = False,
) -> None:
    """Print the project with everything resolved. Example: rorqual config --format json web"""
    if format not in FORMATS:
        raise typer.BadParameter(f"--format takes {', '.join(FORMATS)}, not {format!r}")
    # The process ends with its output: collecting would only walk a large tree again and again.
    gc.disable()
    unexpanded = no_interpolate or variables
    loaded = load_project(
        project,
        () if hash is not None else services or (),
        strict_env=strict_env,
        interpolate=not unexpanded,
        # as in Compose, which did so for the sake of its first version
        normalize=not no_normalize and not project.compatibility,
        resolve_paths=not no_path_resolution,
        check_consistency=not no_consistency and not unexpanded,
        resolve_environment=not no_env_resolution and not unexpanded,
        all_resources=project.all_resources or unexpanded,
    )
    assert loaded.values is not None
    if (resolve_image_digests or lock_image_digests) and not unexpanded:
        # late: only this asks an engine
        from engine.cli.digests import images_alone, pinned

        loaded.values = pinned(loaded.values, engine)
        if lock_image_digests:
            loaded.values = images_alone(loaded.values)
    if quiet:
        return
    facts = {
        "services": list_services,
        "volumes": list_volumes,
        "networks": list_networks,
        "models": list_models,
        "images": list_images,
        "profiles": list_profiles,
        "environment": environment,
        "variables": variables,
    }
    asked = [name for name, wanted in facts.items() if wanted]
    if hash is not None:
        text = hashes(loaded, hash)
    elif asked:
        # late: only a question about one fact needs these
        from engine.cli import facts as answers

        if asked[0] == "variables" and format == "json":
            text = answers.variables_json(loaded)
        else:
            text = "".join(f"{line}\n" for line in answers.ANSWERS[asked[0]](loaded))
    else:
        text = rendered(loaded, format, unexpanded=unexpanded)
    write(text, output)


def rendered(loaded: Loaded, format: str, *, unexpanded: bool) -> str:
    assert loaded.values is not None and loaded.root is not None
    if unexpanded:
        values = raw_values(loaded, format)
    elif format == "json":
        return json_text(json_values(loaded.values)) + "\n"
    if format == "json":
        return json_text(values, escape=False) + "\n"
    # late: JSON is what scripts read, and needs none of this
    from specs.output_yaml import yaml_values
    from specs.plain_compose import plain_compose
    from specs.yaml_text import yaml_text

    if unexpanded:
        return yaml_text(values, escape=False)
    chosen = plain_compose(loaded) if format == "compose" else loaded.values
    return yaml_text(yaml_values(chosen))


def raw_values(loaded: Loaded, format: str) -> dict[str, Any]:
    """The merged files with their variables unexpanded, keys sorted, as Compose prints them."""
    assert loaded.root is not None and loaded.values is not None
    return dict(sorted({**raw(loaded.root, format), "name": loaded.values["name"]}.items()))


def raw(node: Node, format: str, path: tuple[str, ...] = ()) -> Any:
    """Below a node. What came from a variable itself, as the content of a secret, is not printed."""
    value = node.value
    if isinstance(value, dict):
        hidden = {"content"} if path[:1] in {("secrets",), ("configs",)} and "environment" in value else frozenset()
        names = [name for name in sorted(value) if name not in hidden and not name.startswith("#")]
        return {name: raw(value[name], format, (*path, name)) for name in names}
    if isinstance(value, list):
        # in JSON an empty list is null where nothing in Compose looks at lists
        looked_at = len(path) == 3 and path[0] == "services" and path[2] not in {"command", "entrypoint"}
        empty: list[Any] | None = [] if format != "json" or (looked_at and not path[2].startswith("x-")) else None
        return [raw(item, format, (*path, "")) for item in value] or empty
    return value


def hashes(loaded: Loaded, wanted: str) -> str:
    assert loaded.values is not None
    services: dict[str, Any] = loaded.values["services"]
    names = sorted(services) if wanted == "*" else wanted.split(",")
    folded = loaded.values["folded_files"]
    for name in names:
        if name not in services:
            raise typer.BadParameter(f"no such service: {name}")
    return "".join(f"{name} {config_hash_of(services[name], folded.get(name, {}))}\n" for name in names)


def write(text: str, path: str | None) -> None:
    if path is None:
        sys.stdout.write(text)
        return
    with open(os.path.expanduser(path), "w", encoding="utf-8") as file:
        file.write(text)
