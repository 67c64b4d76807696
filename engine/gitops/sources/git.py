"""The system's git, run so that nothing of the machine's settings has a say, nobody is asked, and no secret shows in
arguments or environment: git reads credentials from their files by a helper of one line.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from engine.client.errors import SystemFailure
from engine.gitops.secretfile import read_secret
from engine.gitops.settings.models import Credentials
from engine.gitops.sources.faults import SourceFault
from engine.kit.process import Completed, ProcessTimeout, run_process

SETTINGS = """[safe]
\tdirectory = *
[gc]
\tauto = 0
[maintenance]
\tauto = false
[core]
\thooksPath = /dev/null
[advice]
\tdetachedHead = false
[versionsort]
\tsuffix = -
"""
LFS = (
    "filter.lfs.required=true",
    "filter.lfs.smudge=git-lfs smudge -- %f",
    "filter.lfs.clean=git-lfs clean -- %f",
    "filter.lfs.process=git-lfs filter-process",
    # what isn't there is asked for again at the next look, not for minutes within this one
    "lfs.transfer.maxretries=1",
    "lfs.transfer.maxretrydelay=1",
)


NONE = Credentials()
TELLING = ("fatal:", "error:", "ERROR:", "remote:", "ssh:")
REMOTE_GONE = b"Could not read from remote repository"


@dataclass(frozen=True, slots=True)
class Git:
    """`home` holds the settings that git sees instead of the user's; `address` is the source's, whose host alone gets
    the password: not what a submodule, a redirect or a repository's own settings name.
    """

    home: Path
    address: str = ""
    credentials: Credentials = NONE
    timeout_seconds: float = 300.0
    lfs: bool = False
    extra: Mapping[str, str] = field(default_factory=dict)

    async def __call__(self, *words: str, at: Path | None = None, stdin: bytes = b"") -> bytes:
        """What `git words` prints; `at` is the repository. Raises SourceFault with git's own last words."""
        done = await self.attempt(*words, at=at, stdin=stdin)
        if done.code:
            raise SourceFault(last_words(words, done))
        return done.stdout

    async def attempt(
        self, *words: str, at: Path | None = None, stdin: bytes = b"", environment: Mapping[str, str] | None = None
    ) -> Completed:
        self.check_credentials()
        repository = ("--git-dir", str(at)) if at is not None else ()
        command = ["git", *repository, *self.options(), *words]
        try:
            return await run_process(
                command,
                stdin=stdin,
                environment={**self.environment(), **(environment or {})},
                timeout_seconds=self.timeout_seconds,
            )
        except FileNotFoundError:
            raise SourceFault("git is not installed: install the system's git package") from None
        except ProcessTimeout:
            raise SourceFault(f"git {words[0]} did not end within {self.timeout_seconds:g} seconds") from None

    def check_credentials(self) -> None:
        """git and ssh would only say that they were refused."""
        for file in (self.credentials.password_file, self.credentials.ssh_key_file):
            if file is None:
                continue
            try:
                read_secret(file)
            except SystemFailure as error:
                raise SourceFault(error.message) from None

    def options(self) -> Sequence[str]:
        values = list(LFS) if self.lfs else []
        credentials = self.credentials
        # an empty helper first: none of the machine's
        values.append("credential.helper=")
        if credentials.password_file is not None and (host := web_host(self.address)):
            user = shlex.quote(credentials.username or "git")
            file = shlex.quote(str(credentials.password_file))
            values.append(
                f'credential.{host}.helper=!f() {{ echo username={user}; echo "password=$(cat {file})"; }}; f'
            )
        if credentials.ca_file is not None:
            values.append(f"http.sslCAInfo={credentials.ca_file}")
        return [word for value in values for word in ("-c", value)]

    def environment(self) -> dict[str, str]:
        """Nothing of ours but what git needs to run."""
        kept = {
            k: v for k, v in os.environ.items() if k in {"PATH", "SSH_AUTH_SOCK", "TMPDIR"} or "_proxy" in k.lower()
        }
        return {
            **kept,
            "HOME": str(self.home),
            "LC_ALL": "C",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": str(self.home / "gitconfig"),
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ALLOW_PROTOCOL": "https:http:ssh:git:file",
            "GIT_SSH_COMMAND": self.ssh(),
            **self.extra,
        }

    def ssh(self) -> str:
        words = ["ssh", "-o", "BatchMode=yes", "-o", "ConnectTimeout=30", "-F", "/dev/null"]
        if self.credentials.ssh_key_file is not None:
            words += ["-i", str(self.credentials.ssh_key_file), "-o", "IdentitiesOnly=yes"]
        if self.credentials.known_hosts_file is not None:
            words += ["-o", f"UserKnownHostsFile={self.credentials.known_hosts_file}"]
        return shlex.join([*words, "-o", "StrictHostKeyChecking=yes"])


def web_host(address: str) -> str:
    """`https://host:port` of an address; of one for ssh the host by https, by which its submodules may come.

    Empty for a path.
    """
    if "://" not in address:
        host, colon, _ = address.partition(":")
        return f"https://{host.rpartition('@')[2]}" if colon and "/" not in host else ""
    found = urlsplit(address)
    if found.scheme in {"http", "https"}:
        return f"{found.scheme}://{found.netloc.rpartition('@')[2]}"
    return f"https://{found.hostname}" if found.hostname and found.scheme == "ssh" else ""


def prepare_home(home: Path) -> None:
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    (home / "gitconfig").write_text(SETTINGS)


def last_words(words: Sequence[str], done: Completed) -> str:
    """`git fetch: could not read from remote repository` and the like: the lines that say why."""
    lines = [line.strip() for line in done.stderr.decode(errors="replace").splitlines() if line.strip()]
    telling = [line for line in lines if line.startswith(TELLING)] or lines
    if REMOTE_GONE in done.stderr:
        # why is what ssh said before, in words of its own
        telling = lines[: next(place for place, line in enumerate(lines) if REMOTE_GONE.decode() in line)] or telling
    text = "; ".join(dict.fromkeys(line.partition(": ")[2] or line for line in telling[-3:]))
    return f"git {words[0]}: {text or f'ended with {done.code}'}"
