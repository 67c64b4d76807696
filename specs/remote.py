"""Files that aren't on this machine: which names mean one, and what whoever can fetch them gives back. No I/O here.

The loader is handed in with the request: the language itself reaches no network.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

SCP = re.compile(r"[a-zA-Z0-9-_]+@[a-zA-Z0-9-.]+:")
URL = re.compile(r"(git|ssh|https?)://")
OCI = "oci://"


class Fetched(NamedTuple):
    """`file` is the Compose file on this machine, `root` the folder of all that came with it."""

    file: str
    root: str


class Unfetchable(Exception):
    """What a loader raises: why the file can't be had, and what to do."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


Fetch = Callable[[str], Fetched]


class GitPlace(NamedTuple):
    """`URL#REF:FOLDER`, taken apart; `ref` and `path` may be empty."""

    repository: str
    ref: str
    path: str


def git_place(text: str) -> GitPlace | None:
    """What Compose takes for git: git://, ssh:// and user@host: always, http(s) ending in .git, github.com/….

    Source: moby/buildkit, util/gitutil, ParseGitRef.
    """
    repository, _, fragment = text.partition("#")
    ref, _, path = fragment.partition(":")
    url = URL.match(repository)
    if url is not None:
        if url[1].startswith("http") and not repository.partition("?")[0].endswith(".git"):
            return None
    elif not repository.startswith("github.com/") and not SCP.match(repository):
        return None
    return GitPlace(repository, ref, path)


def is_remote(text: str) -> bool:
    return text.startswith(OCI) or git_place(text) is not None
