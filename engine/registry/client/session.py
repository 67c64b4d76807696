"""One registry asked by one user: authentication, retries with back-off, rate limits, redirects. Called by Remote."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from urllib.parse import urljoin

import anyio

from engine.credentials.config import Credentials
from engine.http.errors import ConnectFailed, HttpFault
from engine.http.message import Response
from engine.kit.backoff import Backoff
from engine.registry.client.challenge import Authenticator
from engine.registry.client.faults import Refused, Unreachable
from engine.registry.client.web import Origin, Web

MOST_TRIES = 5
MOST_REDIRECTS = 5
BACKOFF = Backoff(first=0.25, longest=8.0)
# A registry that asks for more patience than this is told of instead.
LONGEST_WAIT = 60.0
PASSING = {429, 500, 502, 503, 504}
LARGEST_REFUSAL = 1 << 16
# The resolver's words for a name that it can't resolve.
UNRESOLVED = ("not known", "name resolution", "no address associated")


class Session:
    """`name` is the registry as references write it; `base` its URL, found by the first request."""

    def __init__(self, web: Web, name: str, host: str, credentials: Credentials | None, *, base: str = "") -> None:
        self.name = name
        self._web = web
        self._host = host
        self._base = base
        self._who = Authenticator(web, credentials)
        self._finding = anyio.Lock()

    async def base(self) -> str:
        """https, or for an insecure registry what answers: plain HTTP where there is no TLS. Raises Unreachable."""
        async with self._finding:
            if self._base:
                return self._base
            urls = [f"https://{self._host}"]
            if self._web.policy.is_insecure(self._host):
                urls.append(f"http://{self._host}")
            for url in urls:
                try:
                    async with self._web.exchange("GET", f"{url}/v2/"):
                        self._base = url
                        return url
                except HttpFault as error:
                    fault = error
            raise Unreachable(f'Get "{urls[-1]}/v2/": {said(urls[-1], fault)}') from fault

    @asynccontextmanager
    async def ask(
        self,
        method: str,
        path: str,
        *,
        scope: str = "",
        headers: Mapping[str, str] | None = None,
        body: bytes | AsyncIterable[bytes] = b"",
        accepted: frozenset[int] = frozenset(),
    ) -> AsyncIterator[Response]:
        """The answer below 400, or one of `accepted`. `path` may be a whole URL. Raises Refused, Unreachable.

        A body of pieces can be sent once only: no retries, no challenge answered.
        """
        url = urljoin(f"{await self.base()}/", path)
        delays = BACKOFF.delays()
        tries, redirects, challenged = 1 if not isinstance(body, bytes) else MOST_TRIES, MOST_REDIRECTS, False
        while True:
            tries -= 1
            async with AsyncExitStack() as stack:
                sent = {**(headers or {}), **self._authorization(url, scope)}
                try:
                    response = await stack.enter_async_context(self._web.exchange(method, url, sent, body))
                except HttpFault as fault:
                    if tries <= 0 or isinstance(fault, ConnectFailed):
                        raise Unreachable(f'{method.title()} "{url}": {said(url, fault)}') from fault
                    response = None
                if (
                    response is not None
                    and 300 <= response.status < 400
                    and redirects
                    and "location" in response.headers
                ):
                    redirects, tries = redirects - 1, tries + 1
                    url = urljoin(url, response.headers["location"])
                    continue
                if response is not None and (response.status < 400 or response.status in accepted):
                    yield response
                    return
                if response is not None:
                    refusal = await refusal_of(response)
                    if response.status == 401 and not challenged and isinstance(body, bytes):
                        challenged, tries = True, tries + 1
                        await self._who.answer(response.headers.get("www-authenticate", ""), scope, refusal)
                        continue
                    wait = waiting(response)
                    if response.status not in PASSING or tries <= 0 or wait > LONGEST_WAIT:
                        raise refusal
            await anyio.sleep(max(next(delays), waiting(response) if response is not None else 0.0))

    def _authorization(self, url: str, scope: str) -> dict[str, str]:
        """Never to another host than the registry's own."""
        same = Origin.of(url) == Origin.of(self._base)
        return self._who.headers(scope) if same else {}


def waiting(response: Response) -> float:
    """Seconds that Retry-After asks for; dates are not read."""
    text = response.headers.get("retry-after", "")
    return float(text) if text.isascii() and text.isdigit() else 0.0


async def refusal_of(response: Response) -> Refused:
    content = b""
    try:
        while len(content) < LARGEST_REFUSAL and (piece := await response.receive()):
            content += piece
    except HttpFault:
        pass  # the status says enough
    return Refused.of(response.status, content)


def said(url: str, fault: HttpFault) -> str:
    """As Go's clients write it, which people search for."""
    if isinstance(fault, ConnectFailed) and "refused" in str(fault):
        origin = Origin.of(url)
        host = f"[{origin.host}]" if ":" in origin.host else origin.host
        return f"dial tcp {host}:{origin.port}: connect: {fault}"
    if isinstance(fault, ConnectFailed) and any(words in str(fault) for words in UNRESOLVED):
        return f"dial tcp: lookup {Origin.of(url).host}: no such host"
    return str(fault)
