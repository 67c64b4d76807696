"""Who may do what: everybody; or the users of an htpasswd file, who show a password (basic) or a token (bearer).

A user may do all that the file of rights says, or without one, all that there is; somebody without a name may pull
where that is allowed, and nothing else.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import parse_qs

from engine.registry.server.call import Call
from engine.registry.server.faults import Denied, Unauthorized
from engine.registry.server.htpasswd import Users
from engine.registry.server.outside import OutsideTokens
from engine.registry.server.rights import Rights
from engine.registry.server.tokens import ACTIONS, Scope, Tokens

LARGEST_FORM = 1 << 16


@dataclass(frozen=True, slots=True)
class Grant:
    """`scopes` None: all that there is. `rights` None: they are not restricted. `own`: by a token that we gave."""

    user: str
    scopes: Sequence[Scope] | None = None
    rights: Rights | None = None
    own: bool = False

    def allows(self, scope: Scope) -> bool:
        return self._grants(scope) and self.has_right(scope)

    def has_right(self, scope: Scope) -> bool:
        return self.rights is None or self.rights.allow(self.user, scope)

    def may_see(self, name: str) -> bool:
        """In lists, which say nothing of scopes."""
        return self.has_right(repository(name, "pull"))

    def _grants(self, scope: Scope) -> bool:
        if self.scopes is None:
            return True
        had: set[str] = set()
        for own in self.scopes:
            if (own.kind, own.name) == (scope.kind, scope.name):
                had |= own.actions
        return "*" in had or scope.actions <= had

    def may_mount_from(self, name: str) -> bool:
        """Whether the user may pull there: by this token, or by another that we would give it.

        A mount from wherever the content is names no repository, so that no token can be asked for.
        """
        scope = repository(name, "pull")
        return self.allows(scope) or (self.own and self.has_right(scope))


class Everybody(Grant):
    """Whoever may pull may pull anything: what a caller without a name has where that is allowed."""

    def _grants(self, scope: Scope) -> bool:
        return scope.actions <= {"pull"} and scope.kind == "repository"


def repository(name: str, *actions: str) -> Scope:
    return Scope("repository", name, frozenset(actions))


CATALOG = Scope("registry", "catalog", frozenset({"*"}))


class Access:
    """`users` and `tokens` None: no authentication at all. `tokens` None: basic. Tokens from outside need no users."""

    def __init__(
        self,
        users: Users | None,
        tokens: Tokens | OutsideTokens | None,
        *,
        anonymous_pull: bool,
        scheme: str,
        rights: Rights | None = None,
    ) -> None:
        self._users = users
        self._rights = rights
        self._tokens = tokens
        self._anonymous_pull = anonymous_pull
        self._scheme = scheme

    async def admit(self, call: Call, wanted: Sequence[Scope], helpful: Sequence[Scope] = ()) -> Grant:
        """What the caller may do, all of `wanted` included, and those of `helpful` that it has a right to.

        Raises Unauthorized with a challenge, Denied.
        """
        if self._users is None and self._tokens is None:
            return Grant("")
        kind, _, value = call.headers.get("authorization", "").partition(" ")
        grant: Grant | None = None
        if kind.lower() == "basic" and self._users is not None:
            grant = await self._by_password(call, value.strip(), wanted)
        elif kind.lower() == "bearer" and self._tokens is not None:
            found = self._tokens.read(value.strip())
            own = isinstance(self._tokens, Tokens)
            grant = Grant(*found, self._rights, own=own) if found is not None else None
        elif not kind and self._anonymous_pull and wanted:
            grant = Everybody("", rights=self._rights)
        if grant is not None and grant.user and not all(grant.has_right(scope) for scope in wanted):
            raise Denied(f'the user "{grant.user}" has no right to that', detail=[str(scope) for scope in wanted])
        if grant is None or not all(grant.allows(scope) for scope in (*wanted, *filter(grant.has_right, helpful))):
            raise self._challenge(call, [*wanted, *helpful])
        return grant

    async def _by_password(self, call: Call, value: str, wanted: Sequence[Scope]) -> Grant:
        assert self._users is not None
        user, password = credentials_of(value)
        if not user or not await self._users.check(user, password):
            raise self._challenge(call, wanted, "the user name or the password is wrong")
        return Grant(user, rights=self._rights)

    def _challenge(self, call: Call, wanted: Sequence[Scope], why: str = "authentication required") -> Unauthorized:
        if self._tokens is None:
            header = 'Basic realm="Rorqual registry"'
        else:
            host = call.headers.get("host", self._tokens.service)
            own = f"{self._scheme}://{host}/token"
            realm = self._tokens.realm if isinstance(self._tokens, OutsideTokens) else own
            header = f'Bearer realm="{realm}",service="{self._tokens.service}"'
            if wanted:
                header += f',scope="{" ".join(map(str, wanted))}"'
        return Unauthorized(why, headers={"WWW-Authenticate": header}, detail=[str(scope) for scope in wanted])

    async def give_token(self, call: Call) -> None:
        """GET /token with a password in the head, or POST with one in a form. Raises Unauthorized, Denied."""
        if self._tokens is None or self._users is None or isinstance(self._tokens, OutsideTokens):
            raise Denied("this registry gives no tokens", status=404)
        form = dict(call.query)
        if call.method == "POST":
            form |= parse_qs((await call.exchange.read(LARGEST_FORM)).decode("utf-8", "replace"))
        kind, _, value = call.headers.get("authorization", "").partition(" ")
        user, password = credentials_of(value.strip()) if kind.lower() == "basic" else ("", "")
        user, password = form.get("username", [user])[0], form.get("password", [password])[0]
        asked = Scope.parse_all(form.get("scope", []))
        if user and await self._users.check(user, password):
            given = [Scope(s.kind, s.name, s.actions & ACTIONS) for s in asked]
        elif not user and self._anonymous_pull:
            given = [Scope(s.kind, s.name, s.actions & {"pull"}) for s in asked if s.kind == "repository"]
        else:
            why = "the user name or the password is wrong" if user else "authentication required"
            raise Unauthorized(why, headers={"WWW-Authenticate": 'Basic realm="Rorqual registry"'})
        if self._rights is not None:
            given = [self._rights.narrowed(user, scope) for scope in given]
        await call.answer_json(self._tokens.issue(user, given), {"Cache-Control": "no-store"})


def credentials_of(value: str) -> tuple[str, str]:
    try:
        user, _, password = base64.b64decode(value, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return user, password
