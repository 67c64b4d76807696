"""On which of this machine's engines a project lives, where nobody names one (CLI.md, "Which engine").

The engine that holds objects with the project's label is the one. Where two do, or the last run was on another, a
command that writes refuses: a second copy of a project beside the first is never what was meant.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from engine.api.errors import EngineError, InvalidArgument
from engine.client.session import EngineReader, open_client
from engine.client.target import Target, reachable_targets
from engine.kit.files import atomic_write
from engine.kit.together import together
from engine.plan.lower.naming import PROJECT
from engine.reconcile.contents import state_directory


async def detected_target(found: Target, project: str, environment: Mapping[str, str], *, writing: bool) -> Target:
    """The engine for this project among those that are reachable; `found` is the first of them.

    Raises InvalidArgument for a writing command when it isn't clear which one is meant.
    """
    targets = list(reachable_targets(environment))
    home = read_home(project, environment)
    if len(targets) < 2 and (home is None or not writing):
        return found
    holders = [target for target in targets if await holds(target, project, environment)]
    if writing and len(holders) > 1:
        places = " and ".join(target.address for target in holders)
        raise InvalidArgument(f"project {project} has objects on {places}: say which engine you mean with -H")
    chosen = holders[0] if holders else found
    if writing and home is not None and chosen.address != home:
        raise InvalidArgument(
            f"project {project} was last converged on {home}, but this run would use {chosen.address} "
            f"({chosen.chosen_by}): say which engine you mean with -H"
        )
    return chosen


async def holds(target: Target, project: str, environment: Mapping[str, str]) -> bool:
    """Whether an engine that isn't connected yet has anything of the project; one that fails has nothing."""
    try:
        async with open_client(target, environment) as engine:
            return await has_objects(engine, project)
    except EngineError:
        return False


async def has_objects(engine: EngineReader, project: str) -> bool:
    """Whether the engine has a container, network or volume with the project's label."""
    filters = {"label": [f"{PROJECT}={project}"]}
    found = await together(
        partial(engine.containers.list, all=True, filters=filters),
        partial(engine.networks.list, filters=filters),
        partial(engine.volumes.list, filters=filters),
    )
    return any(found)


async def remember(
    engine: EngineReader, project: str, environment: Mapping[str, str], *, known: bool | None = None
) -> None:
    """Record where the project is, or forget it where nothing is left; an engine that went away changes nothing.
    `known` tells whether anything is there, where the caller knows.
    """
    path = home_file(project, environment)
    try:
        holds_any = await has_objects(engine, project) if known is None else known
    except EngineError:
        return
    if not holds_any:
        path.unlink(missing_ok=True)
    elif read_home(project, environment) != engine.target.address:
        write_home(path, engine.target.address)


def write_home(path: Path, address: str) -> None:
    """A state that can't be written costs this record, and not the run, which has done its work."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        atomic_write(path, json.dumps({"address": address}).encode(), mode=0o600)
    except OSError as error:
        print(f"rorqual: not recorded on which engine the project is: {path}: {error.strerror}", file=sys.stderr)


def read_home(project: str, environment: Mapping[str, str]) -> str | None:
    """The address of the engine that the project was last converged on."""
    try:
        return str(json.loads(home_file(project, environment).read_bytes())["address"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def home_file(project: str, environment: Mapping[str, str]) -> Path:
    return state_directory(environment) / "projects" / f"{os.path.basename(project)}.json"
