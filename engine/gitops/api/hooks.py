"""Webhooks: a git host says that something was pushed. It is checked, answered at once, and only makes a source look.

Who checks what: GitHub signs the body (X-Hub-Signature-256), Gitea and Forgejo too (X-Gitea-Signature), GitLab sends
the secret itself (X-Gitlab-Token); the generic kind signs time and body. What was delivered once does nothing again.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from hashlib import sha256

from engine.client.errors import NotFound, Unauthorized
from engine.gitops.api.call import Call
from engine.gitops.api.documents import Message
from engine.gitops.secretfile import read_secret
from engine.gitops.settings.models import Webhook

LARGEST_BODY = 25 << 20
FRESH_SECONDS = 300.0
SIGNATURES = {
    "github": ("x-hub-signature-256",),
    "gitea": ("x-gitea-signature",),
    "forgejo": ("x-forgejo-signature", "x-gitea-signature"),
}


async def receive(call: Call) -> None:
    """POST /hooks/SOURCE: 202 once it is known to be real. Raises Unauthorized for what isn't, NotFound."""
    name, headers = call.path["source"], call.exchange.headers
    following = call.agent.followings.get(name)
    webhook = following.source.settings.webhook if following else None
    if following is None or webhook is None:
        raise NotFound(f'there is no webhook "{name}"')
    secret = read_secret(webhook.secret_file)
    signature = hmac.new(secret, signed_first(webhook, headers), sha256)
    unique = sha256(name.encode() + b"\0" + signed_part(webhook, headers) + b"\0")

    def take(piece: bytes) -> None:
        # never kept as a whole: before the signature is known, nothing is worth its memory
        signature.update(piece)
        unique.update(piece)

    await call.exchange.read_into(take, LARGEST_BODY)
    now = call.agent.desk.clock.now()
    check(webhook, headers, secret, signature.hexdigest(), now)
    if call.agent.desk.store.first_delivery(unique.hexdigest(), now):
        following.poke()
        await call.answer(Message(f"{name} is looked at now"), 202)
    else:
        await call.answer(Message("this was delivered before"), 202)


def check(webhook: Webhook, headers: Mapping[str, str], secret: bytes, wanted: str, now: float) -> None:
    """`wanted` is the signature as it should be. Raises Unauthorized. All comparing takes the same time whatever is
    wrong.
    """
    if webhook.kind == "gitlab":
        good = equal(headers.get("x-gitlab-token", ""), secret.decode(errors="replace"))
    elif webhook.kind == "generic":
        at = headers.get("x-rorqual-timestamp", "")
        fresh = at.isdigit() and abs(now - int(at)) <= FRESH_SECONDS
        given = headers.get("x-rorqual-signature", "").removeprefix("sha256=")
        good = equal(given, wanted) and fresh
    else:
        given = next((headers[name] for name in SIGNATURES[webhook.kind] if name in headers), "")
        good = equal(given.removeprefix("sha256="), wanted)
    if not good:
        raise Unauthorized("the webhook's signature doesn't fit")


def signed_first(webhook: Webhook, headers: Mapping[str, str]) -> bytes:
    """What is signed before the body."""
    return headers.get("x-rorqual-timestamp", "").encode() + b"." if webhook.kind == "generic" else b""


def signed_part(webhook: Webhook, headers: Mapping[str, str]) -> bytes:
    """What besides the body makes a delivery: GitLab's has no signature, but an id."""
    names = {"gitlab": "x-gitlab-event-uuid", "generic": "x-rorqual-timestamp"}
    return headers.get(names.get(webhook.kind, ""), "").encode()


def equal(given: str, wanted: str) -> bool:
    return hmac.compare_digest(given.encode(), wanted.encode())
