"""One call of the Engine API as its handler sees it: path parameters, query, version, body; and the ways to answer.

A handler raises the faults of engine.api.errors; the router answers them. Past the head of a streamed or taken-over
answer a fault can only be told inside the stream, by the handler.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from functools import cached_property
from typing import Any
from urllib.parse import parse_qs

from engine.api.errors import InvalidArgument
from engine.http.server import BadRequest, Exchange
from engine.http.upgraded import Upgraded
from engine.oci.platform import Platform

Version = tuple[int, int]
JSON_TYPE = {"Content-Type": "application/json"}
RAW_STREAM = "application/vnd.docker.raw-stream"
MULTIPLEXED_STREAM = "application/vnd.docker.multiplexed-stream"
LARGEST_JSON = 16 << 20
MOST_PARAMETERS = 1000
FALSE = {"", "0", "no", "false", "none"}


class Request:
    """`version` is the API's, as the path has it; `parameters` are the path's, decoded."""

    def __init__(
        self,
        exchange: Exchange,
        *,
        query: str,
        version: Version,
        parameters: Mapping[str, str],
        common: Mapping[str, str],
    ) -> None:
        self.exchange = exchange
        self.version = version
        self.parameters = parameters
        self.headers = exchange.headers
        self._query = query
        self._common = common

    # --- what was asked
    @cached_property
    def query(self) -> Mapping[str, list[str]]:
        """Raises InvalidArgument for too many."""
        try:
            return parse_qs(self._query, keep_blank_values=True, max_num_fields=MOST_PARAMETERS)
        except ValueError:
            raise InvalidArgument(f"the request has more than {MOST_PARAMETERS} parameters") from None

    def text(self, name: str, default: str = "") -> str:
        return self.query.get(name, [default])[0]

    def texts(self, name: str) -> list[str]:
        return self.query.get(name, [])

    def flag(self, name: str, default: bool = False) -> bool:
        """As Docker reads a bool: everything is true but "", 0, no, false, none."""
        return self.text(name).strip().lower() not in FALSE if name in self.query else default

    def integer(self, name: str, default: int | None = None) -> int | None:
        """Raises InvalidArgument."""
        text = self.text(name)
        if not text:
            return default
        if not re.fullmatch(r"[+-]?\d{1,18}", text, re.ASCII):
            raise InvalidArgument(f"invalid value for {name}: {json.dumps(text)} is not a whole number")
        return int(text)

    def platform(self) -> Platform | None:
        """`?platform=`. Raises InvalidArgument."""
        text = self.text("platform")
        try:
            return Platform.parse(text) if text else None
        except ValueError as error:
            raise InvalidArgument(str(error)) from None

    def oci_platforms(self, name: str) -> list[Platform]:
        """The platforms that `?<name>=` gives as JSON objects of OCI's, from 1.48 on. Raises InvalidArgument."""
        return [oci_platform(name, text) for text in self.texts(name) if text]

    def filters(self, known: Collection[str] | None) -> dict[str, list[str]]:
        """`?filters=` in either form: {"label": {"a=b": true}} or {"label": ["a=b"]}; `known` None takes any name.

        Raises InvalidArgument.
        """
        text = self.text("filters")
        found = filters_of(text) if text else {}
        for name in found:
            if known is not None and name not in known:
                raise InvalidArgument(f"invalid filter '{name}'")
        return found

    async def json(self, known: Collection[str] = ()) -> Any:
        """The body, which must be a JSON object; {} for none. Raises InvalidArgument.

        `known` names of the first level are found in any case, as Go reads them: some SDKs send `detachKeys`.
        """
        body = await self.exchange.read(LARGEST_JSON)
        if not body.strip():
            return {}
        kind = self.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
        if kind != "application/json":
            raise InvalidArgument(f'unsupported Content-Type header ({kind}): must be "application/json"')
        try:
            found = without_surrogates(json.loads(body))
        except (ValueError, RecursionError) as error:
            raise InvalidArgument(f"invalid JSON: {error}") from error
        if not isinstance(found, dict):
            raise InvalidArgument("invalid JSON: the body must be an object")
        return in_case(found, known)

    def body(self) -> AsyncIterator[bytes]:
        return self.exchange.__aiter__()

    # --- how it is answered: exactly one of these, once
    async def answer_json(self, value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        body = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace") + b"\n"
        await self.exchange.answer(status, {**self._common, **JSON_TYPE, **(headers or {})}, body)

    async def answer_empty(self, status: int = 204, headers: Mapping[str, str] | None = None) -> None:
        await self.exchange.answer(status, {**self._common, **(headers or {})})

    async def answer_text(self, body: bytes, headers: Mapping[str, str], status: int = 200) -> None:
        await self.exchange.answer(status, {**self._common, **headers}, body)

    @asynccontextmanager
    async def stream(
        self, content_type: str, *, status: int = 200, headers: Mapping[str, str] | None = None
    ) -> AsyncIterator[Callable[[bytes], Awaitable[None]]]:
        """The head at once, then each piece that the block sends. The block is cancelled when the client leaves."""
        named = {"Content-Type": content_type} if content_type else {}
        async with self.exchange.stream(status, {**self._common, **named, **(headers or {})}) as send:
            yield send

    @asynccontextmanager
    async def take_over(self, *, tty: bool) -> AsyncIterator[Upgraded]:
        """The raw stream of attach and exec, by 101 or 200 as the client asked (ENGINE-FACTS 4)."""
        multiplexed = not tty and self.version >= (1, 42)
        kind = MULTIPLEXED_STREAM if multiplexed and "upgrade" in self.headers else RAW_STREAM
        async with self.exchange.take_over({**self._common, "Content-Type": kind}, {}) as stream:
            yield stream


def oci_platform(name: str, text: str) -> Platform:
    try:
        said = json.loads(text)
        known = {key: said.get(key, "") for key in ("os", "architecture", "variant")}
    except (ValueError, RecursionError, AttributeError):
        known = {}
    if not all(isinstance(word, str) for word in known.values()) or not (known.get("os") and known["architecture"]):
        raise InvalidArgument(f'invalid {name}: want JSON as {{"os": "linux", "architecture": "arm64"}}, not {text}')
    return Platform(**known)


def in_case(found: dict[str, Any], known: Collection[str]) -> dict[str, Any]:
    """The keys that are known but for their case, in it; what is there in the right case stays."""
    spelled = {name.lower(): name for name in known}
    return {
        **{spelled.get(key.lower(), key): value for key, value in found.items()},
        **{k: found[k] for k in known if k in found},
    }


def without_surrogates(value: Any) -> Any:
    """Half of a pair (`\\ud800`) is no character: as in Go it becomes the one that stands for none."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        text = json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass").decode("utf-8", "replace")
        return json.loads(text)
    return value


def filters_of(text: str) -> dict[str, list[str]]:
    try:
        found = without_surrogates(json.loads(text))
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise InvalidArgument("invalid filter: `filters` must be a JSON object of names and values")
    return {str(name): values_of(name, values) for name, values in found.items()}


def values_of(name: str, values: Any) -> list[str]:
    if isinstance(values, dict) and all(isinstance(on, bool) for on in values.values()):
        return [str(value) for value, on in values.items() if on]
    if isinstance(values, list) and all(isinstance(value, str) for value in values):
        return list(values)
    raise InvalidArgument(f"invalid filter '{name}': its values must be a list of texts")


__all__ = ["BadRequest", "Request", "Version", "filters_of"]
