"""`docker rorqual …`: the same command line, called by Docker's as its plugin `docker-rorqual`.

Docker asks a plugin for its metadata, and hands over its whole command line, its own flags first.
Source: docker/cli, cli-plugins/metadata.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version as installed_version
from typing import NoReturn

from engine.cli.exitcodes import USAGE
from engine.cli.leading import leading

METADATA_WORD = "docker-cli-plugin-metadata"
NAME = "rorqual"
CONFIG = "--config"
# Docker's flags that mean something here, and what they are called here; all take a value.
FLAGS = {
    **dict.fromkeys(("-H", "--host"), ("--host", True)),
    **dict.fromkeys(("-c", "--context"), ("--context", True)),
    CONFIG: (CONFIG, True),
}


class Untranslatable(ValueError):
    """A flag of Docker's that has no meaning here, or a command line that isn't Docker's."""


def metadata() -> str:
    words = {"SchemaVersion": "0.1.0", "Vendor": "Rorqual", "Version": f"v{installed_version('rorqual')}"}
    return json.dumps({**words, "ShortDescription": "A file in, a plan, a host that converges"})


def translated(arguments: Sequence[str]) -> tuple[list[str], str | None]:
    """Our command line, and the folder of Docker's configuration where one is named.

    `-c far rorqual up -d` → ["--context", "far", "up", "-d"]. Raises Untranslatable.
    """
    found, rest = leading(arguments, FLAGS)
    if len(found) % 2:
        raise Untranslatable(f"docker's {found[-1]} wants a value")
    if rest and rest[0].startswith("-"):
        raise Untranslatable(f"docker's {rest[0].partition('=')[0]} has no meaning for rorqual: leave it out")
    if rest and rest[0] != NAME:
        raise Untranslatable(f"docker-rorqual is what docker calls: write `docker rorqual {rest[0]}`")
    ours: list[str] = []
    folder = None
    for flag, value in zip(found[::2], found[1::2], strict=True):
        if flag == CONFIG:
            folder = value
        else:
            ours += [flag, value]
    return [*ours, *rest[1:]], folder


def main() -> NoReturn:
    arguments = sys.argv[1:]
    if arguments[:1] == [METADATA_WORD]:
        print(metadata())
        sys.exit(0)
    try:
        words, folder = translated(arguments)
    except Untranslatable as error:
        print(f"rorqual: {error}", file=sys.stderr)
        sys.exit(USAGE)
    sys.argv[1:] = words
    if folder is not None:
        os.environ["DOCKER_CONFIG"] = folder
    # late: the metadata needs nothing of it
    from engine.cli.entry import main as command_line

    command_line()
