"""Docker's credential helpers: programs named docker-credential-<name> that take a verb and talk JSON.

Source: docker/docker-credential-helpers, README, "Development".
"""

from __future__ import annotations

import json

from engine.kit.process import ProcessTimeout, run_process

HELPER_SECONDS = 60.0
# The protocol has no code for it: helpers say it in this sentence, on standard output.
NOT_FOUND = "credentials not found in native keychain"


async def call_helper(name: str, verb: str, stdin: str) -> str:
    """What the helper wrote. Raises OSError when it isn't there, ValueError with its words when it failed."""
    try:
        done = await run_process(
            [f"docker-credential-{name}", verb], stdin=stdin.encode(), timeout_seconds=HELPER_SECONDS
        )
    except ProcessTimeout as error:
        raise ValueError(str(error)) from error
    text = done.stdout.decode(errors="replace").strip()
    if done.code != 0:
        raise ValueError(text or done.stderr.decode(errors="replace").strip() or f"exit code {done.code}")
    return text


async def ask_helper(name: str, server: str) -> tuple[str, str] | None:
    """(user, secret) for a server, None when the helper knows none; the user "<token>" means an identity token."""
    try:
        answer = json.loads(await call_helper(name, "get", server))
        user, secret = answer.get("Username", ""), answer.get("Secret", "")
    except json.JSONDecodeError as error:
        raise ValueError("its answer is not JSON") from error
    except ValueError as error:
        if NOT_FOUND in str(error):
            return None
        raise
    return (user, secret) if secret else None


async def list_helper(name: str) -> dict[str, str]:
    """Every server that the helper knows → its user."""
    answer = json.loads(await call_helper(name, "list", "") or "{}")
    return {str(server): str(user) for server, user in answer.items()} if isinstance(answer, dict) else {}
