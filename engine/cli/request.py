"""From the command line to a request for the language: which files, which folder, which environment."""

from __future__ import annotations

import os
import sys
from functools import cache
from typing import TYPE_CHECKING

from engine.api.errors import InvalidArgument
from engine.cli.options import ProjectOptions
from specs.load import Request
from specs.remote import Fetched

if TYPE_CHECKING:
    from engine.cli.remotes import Remotes


@cache
def remotes() -> Remotes:
    # late: few projects have remote files
    from engine.cli.remotes import Remotes

    return Remotes(os.environ)


def fetch(name: str) -> Fetched:
    """The loader of remote files; what it fetched once in this run is not asked for again."""
    return remotes().fetch(name)


def working_directory() -> str:
    """Raises InvalidArgument where somebody has removed it."""
    try:
        return os.getcwd()
    except FileNotFoundError:
        raise InvalidArgument("the working directory is gone: change to one that is there") from None


def request_of(options: ProjectOptions, *, strict_env: bool = False) -> Request:
    """What the project options ask for, with this process's environment; `-f -` reads all of stdin."""
    reads_stdin = "-" in (options.file or ())
    return Request(
        working_directory=working_directory(),
        environment=dict(os.environ),
        files=options.file,
        project_directory=options.project_directory,
        project_name=options.project_name,
        profiles=options.profile,
        env_files=options.env_file,
        stdin=sys.stdin.buffer.read() if reads_stdin else None,
        strict_env=strict_env,
        all_resources=options.all_resources,
        fetch=fetch,
    )
