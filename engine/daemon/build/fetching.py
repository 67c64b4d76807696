"""What a build takes from elsewhere: files by http(s), repositories by git. Into a folder of the build's own.

A download is checked where a checksum was given. git runs without prompts, hooks or the machine's own settings.
"""

from __future__ import annotations

import hashlib
import os
import posixpath
import re
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import unquote, urlsplit

import anyio
from anyio import from_thread, to_thread

from engine.daemon.build.faults import StepFault
from engine.kit.process import ProcessTimeout, run_process

PIECE = 1 << 18
TIMEOUT_SECONDS = 60.0
GIT_SECONDS = 900.0
GIT = re.compile(r"(?:git://|ssh://|git@)|https?://[^#?]+\.git(?:[#?].*)?$|github\.com/", re.ASCII)
# Only these may a repository or its submodules be fetched by.
PROTOCOLS = "https:http:ssh:git"


@dataclass(frozen=True, slots=True)
class Download:
    """`mtime_ns` is what the server says (Last-Modified), else 0."""

    name: str
    path: Path
    digest: str
    mtime_ns: int
    content_type: str = ""


def is_url(word: str) -> bool:
    return word.startswith(("http://", "https://"))


def is_git(word: str) -> bool:
    return GIT.match(word) is not None


async def download(url: str, folder: Path, checksum: str = "", *, said: str = "ADD failed") -> Download:
    """`said` begins the words of a fault. Raises StepFault: not reached, not found, or with another digest."""
    return await to_thread.run_sync(fetch, url, folder, checksum, said, abandon_on_cancel=False)


def fetch(url: str, folder: Path, checksum: str, said: str) -> Download:
    # late: only a build that downloads needs it
    from http.client import HTTPException
    from urllib.error import HTTPError, URLError
    from urllib.request import HTTPRedirectHandler, Request, build_opener

    name = posixpath.basename(unquote(urlsplit(url).path).rstrip("/"))
    algorithm, _, wanted = checksum.partition(":")
    whole, asked = hashlib.sha256(), hashlib.new(algorithm or "sha256")
    path = folder / os.urandom(6).hex()
    opener = build_opener(HTTPRedirectHandler)
    try:
        request = Request(url, headers={"User-Agent": "rorqual"})
        with opener.open(request, timeout=TIMEOUT_SECONDS) as answer, path.open("xb") as file:
            if urlsplit(answer.url).scheme not in ("http", "https"):
                raise StepFault(f"{said}: {url} leads to {answer.url}")
            while piece := answer.read(PIECE):
                # a build that was given up ends here
                from_thread.check_cancelled()
                whole.update(piece)
                asked.update(piece)
                file.write(piece)
            expected = answer.headers.get("Content-Length")
            if expected is not None and expected.isdecimal() and int(expected) != file.tell():
                raise StepFault(f"{said}: {url}: the download ended early ({file.tell()} of {expected} bytes)")
            modified = answer.headers.get("Last-Modified", "")
            kind = answer.headers.get_content_type()
    except HTTPError as error:
        raise StepFault(f"{said}: failed to GET {url} with status {error.code} {error.reason}") from None
    except (URLError, HTTPException, ValueError) as error:
        raise StepFault(f"{said}: {url}: {getattr(error, 'reason', error)}") from None
    except TimeoutError:
        raise StepFault(f"{said}: {url} did not answer within {TIMEOUT_SECONDS:g} seconds") from None
    if wanted and asked.hexdigest() != wanted:
        raise StepFault(f"{said}: digest mismatch {algorithm}:{asked.hexdigest()}: {checksum} (of {url})")
    return Download(name, path, whole.hexdigest(), time_of(modified), kind)


def time_of(text: str) -> int:
    try:
        return int(parsedate_to_datetime(text).timestamp()) * 1_000_000_000
    except (TypeError, ValueError):
        return 0


@dataclass(frozen=True, slots=True)
class Repository:
    """`remote#ref:folder`, as Docker writes it."""

    remote: str
    ref: str = ""
    folder: str = ""

    @classmethod
    def parse(cls, word: str) -> Repository:
        remote, _, fragment = word.partition("#")
        if remote.startswith("github.com/"):
            remote = f"https://{remote}"
        ref, _, folder = fragment.partition(":")
        return cls(remote, ref, folder)


async def clone(word: str, folder: Path, *, keep_git_dir: bool = False) -> tuple[Path, str]:
    """→ the folder that was asked for, and the commit. Raises StepFault in git's words."""
    wanted = Repository.parse(word)
    if wanted.remote.startswith("-") or wanted.ref.startswith("-"):
        raise StepFault(f"{word} is no git repository")
    place = folder / os.urandom(6).hex()
    place.mkdir()
    await git(place, "init", "--quiet")
    await git(place, "remote", "add", "origin", wanted.remote)
    await git(place, "fetch", "--quiet", "--depth=1", "--no-tags", "origin", "--", wanted.ref or "HEAD")
    await git(place, "checkout", "--quiet", "--detach", "FETCH_HEAD")
    if await anyio.Path(place / ".gitmodules").exists():
        await git(place, "submodule", "update", "--quiet", "--init", "--recursive", "--depth=1")
    commit = (await git(place, "rev-parse", "HEAD")).strip()
    inner = place / posixpath.normpath(f"/{wanted.folder}").lstrip("/")
    real = await to_thread.run_sync(inner.resolve)
    if not real.is_relative_to(await to_thread.run_sync(place.resolve)) or not real.is_dir():
        raise StepFault(f"{word}: the repository has no folder {wanted.folder}")
    if not keep_git_dir:
        await to_thread.run_sync(without_git, place)
    return real, commit


def without_git(place: Path) -> None:
    import shutil

    shutil.rmtree(place / ".git", ignore_errors=True)


async def git(place: Path, *words: str) -> str:
    kept = {name: os.environ[name] for name in ("PATH", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY") if name in os.environ}
    environment = {
        **kept,
        "HOME": str(place),
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_ALLOW_PROTOCOL": PROTOCOLS,
        "GIT_SSH_COMMAND": "ssh -o BatchMode=yes",
    }
    hooks = ("-c", "core.hooksPath=/dev/null", "-c", "safe.directory=*")
    try:
        done = await run_process(
            ["git", *hooks, *words], environment=environment, folder=place, timeout_seconds=GIT_SECONDS
        )
    except FileNotFoundError:
        raise StepFault("git is not installed on the engine's machine: install git") from None
    except ProcessTimeout as error:
        raise StepFault(f"git {words[0]}: {error}") from None
    if done.code != 0:
        said = done.stderr.decode(errors="replace").strip()
        raise StepFault(f"git {words[0]} failed: {said or f'exit code {done.code}'}")
    return done.stdout.decode(errors="replace")
