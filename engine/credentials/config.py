"""`config.json`: who we are to each registry, and which context is current.

It is read whole and written whole, with the keys that we don't know kept.
Source: docker/cli, docs/reference/commandline/login.md (credential stores) and cli/config.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypedDict

from engine.credentials.helpers import ask_helper, call_helper, list_helper
from engine.kit.files import atomic_write

# Docker Hub's key in every config.json; its registry's host is another one.
HUB = "https://index.docker.io/v1/"
HUB_NAMES = {"docker.io", "index.docker.io", "registry-1.docker.io", ""}


class CredentialsFault(Exception):
    """A file or helper that can't be used; the text is whole and names it."""


class Credentials(TypedDict, total=False):
    """The API's AuthConfig."""

    username: str
    password: str
    serveraddress: str
    identitytoken: str
    registrytoken: str


def config_folder(environment: Mapping[str, str]) -> Path:
    """DOCKER_CONFIG, else ~/.docker."""
    named = environment.get("DOCKER_CONFIG")
    return Path(named) if named else Path(environment.get("HOME") or Path.home()) / ".docker"


def registry_of(reference: str) -> str:
    """The registry's host in an image reference, "docker.io" when it names none."""
    first, slash, _ = reference.partition("/")
    return first if slash and ("." in first or ":" in first or first == "localhost") else "docker.io"


def server_key(host: str) -> str:
    """The name under which config.json and the helpers keep a host."""
    return HUB if host in HUB_NAMES else host


@dataclass(frozen=True, slots=True)
class ConfigFile:
    path: Path
    content: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> ConfigFile:
        """A missing file is an empty one. Raises CredentialsFault for one that is no JSON object."""
        path = config_folder(environment) / "config.json"
        try:
            content = json.loads(path.read_bytes() or b"{}")
        except FileNotFoundError:
            return cls(path)
        except NotADirectoryError:
            return cls(path)
        except OSError as error:
            raise CredentialsFault(f"{path}: {error.strerror}") from error
        except ValueError as error:
            raise CredentialsFault(f"{path}: this is not JSON: {error}") from error
        if not isinstance(content, dict):
            raise CredentialsFault(f"{path}: this is not a JSON object")
        return cls(path, content)

    @property
    def current_context(self) -> str | None:
        return self.content.get("currentContext") or None

    def with_context(self, name: str | None) -> ConfigFile:
        """The same file with another current context; `write` makes it so."""
        content = {key: value for key, value in self.content.items() if key != "currentContext"}
        return ConfigFile(self.path, content if name is None else {**content, "currentContext": name})

    def write(self) -> None:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        atomic_write(self.path, (json.dumps(self.content, indent="\t") + "\n").encode(), mode=0o600)

    async def auth_for(self, reference: str) -> Credentials | None:
        """The credentials for an image reference's registry, None when there are none.

        A registry's own helper goes before the store for all, and that before what the file itself holds.
        Raises CredentialsFault when a named helper fails.
        """
        return await self.auth_for_host(registry_of(reference))

    async def auth_for_host(self, host: str) -> Credentials | None:
        key = server_key(host)
        helper = self._helper(host)
        if helper is not None:
            return await self._ask(helper, key)
        for name, entry in self._auths().items():
            if name == key or bare(name) == bare(key):
                return decoded(entry, key)
        return None

    async def remember(self, host: str, auth: Credentials) -> ConfigFile:
        """The file with the credentials of a registry: in its helper where one is named, else in the file itself.

        `write` makes it so. Raises CredentialsFault when the helper fails.
        """
        key = server_key(host)
        if (helper := self._helper(host)) is not None:
            user = "<token>" if auth.get("identitytoken") else auth.get("username", "")
            secret = auth.get("identitytoken") or auth.get("password", "")
            told = json.dumps({"ServerURL": key, "Username": user, "Secret": secret})
            await self._tell(helper, "store", told)
            return self._with_auth(key, {})
        said = f"{auth.get('username', '')}:{auth.get('password', '')}"
        entry: dict[str, str] = {"auth": base64.b64encode(said.encode()).decode()}
        if token := auth.get("identitytoken"):
            entry["identitytoken"] = token
        return self._with_auth(key, entry)

    async def forget(self, host: str) -> tuple[ConfigFile, bool]:
        """The file without a registry's credentials, and whether it had any."""
        key = server_key(host)
        mine = [name for name in self._auths() if name == key or bare(name) == bare(key)]
        helper = self._helper(host)
        if helper is not None and mine:
            await self._tell(helper, "erase", key)
        left = {name: entry for name, entry in self._auths().items() if name not in mine}
        return ConfigFile(self.path, {**self.content, "auths": left}), bool(mine)

    async def _tell(self, helper: str, verb: str, text: str) -> None:
        try:
            await call_helper(helper, verb, text)
        except (OSError, ValueError) as error:
            raise CredentialsFault(f"docker-credential-{helper}, named in {self.path}, failed: {error}") from error

    def _with_auth(self, key: str, entry: Mapping[str, str]) -> ConfigFile:
        return ConfigFile(self.path, {**self.content, "auths": {**self._auths(), key: dict(entry)}})

    async def all_auths(self) -> dict[str, Credentials]:
        """Everything known, by registry: what a build hands to the engine, which doesn't say what it will pull.

        A helper that fails is left out: the build may need none of its registries.
        """
        found = {name: auth for name, entry in self._auths().items() if (auth := decoded(entry, name)) is not None}
        hosts: dict[str, str] = dict(self.content.get("credHelpers") or {})
        if store := self.content.get("credsStore"):
            with suppress(OSError, ValueError):
                hosts = {**{host: str(store) for host in await list_helper(str(store))}, **hosts}
        for host, helper in hosts.items():
            with suppress(CredentialsFault):
                if (auth := await self._ask(helper, host)) is not None:
                    found[host] = auth
        return found

    def _auths(self) -> Mapping[str, Any]:
        auths = self.content.get("auths")
        return auths if isinstance(auths, dict) else {}

    def _helper(self, host: str) -> str | None:
        helpers = self.content.get("credHelpers")
        own = helpers.get(server_key(host)) or helpers.get(host) if isinstance(helpers, dict) else None
        return own or self.content.get("credsStore") or None

    async def _ask(self, helper: str, key: str) -> Credentials | None:
        try:
            answer = await ask_helper(helper, key)
        except (OSError, ValueError) as error:
            raise CredentialsFault(f"docker-credential-{helper}, named in {self.path}, failed: {error}") from error
        if answer is None:
            return None
        user, secret = answer
        if user == "<token>":
            return Credentials(identitytoken=secret, serveraddress=key)
        return Credentials(username=user, password=secret, serveraddress=key)


def bare(name: str) -> str:
    """A key without scheme and path: old files say https://host/v1/."""
    return name.removeprefix("https://").removeprefix("http://").split("/", 1)[0]


def decoded(entry: Any, key: str) -> Credentials | None:
    """One entry of `auths`; None for an empty one, which marks that a helper holds it."""
    if not isinstance(entry, dict):
        return None
    auth = Credentials(serveraddress=key)
    for name in ("username", "password", "identitytoken", "registrytoken"):
        if entry.get(name):
            auth[name] = entry[name]
    if packed := entry.get("auth"):
        try:
            user, _, password = base64.b64decode(packed).decode().partition(":")
        except (binascii.Error, ValueError):
            return None
        auth["username"], auth["password"] = user, password.strip("\0")
    return auth if len(auth) > 1 else None


def header(auth: Mapping[str, Any] | None) -> str:
    """X-Registry-Auth (or X-Registry-Config, given a map of them): JSON in URL-safe base64, padding kept."""
    return base64.urlsafe_b64encode(json.dumps(auth or {}).encode()).decode()
