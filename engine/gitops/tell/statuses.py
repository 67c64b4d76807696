"""The outcome of a commit, told to the host that it came from, by that host's own API.

Sources: GitHub REST, "Create a commit status"; GitLab "Commits API: set the pipeline status"; Gitea and Forgejo
swagger, `repoCreateStatus`.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from engine.gitops.secretfile import read_secret
from engine.gitops.settings.models import CommitStatus
from engine.gitops.state.store import Event
from engine.gitops.tell.post import post
from engine.kit.clock import Clock

# Event → what it means for the commit, in our words.
MEANINGS = {
    "syncing": "pending",
    "approval": "pending",
    "synced": "success",
    "healed": "success",
    "failed": "failure",
    "unsettled": "failure",
}
GITLAB_WORDS = {"pending": "running", "success": "success", "failure": "failed"}
LONGEST = 140


def request_of(status: CommitStatus, event: Event, token: str) -> tuple[str, dict[str, Any], dict[str, str]]:
    """Address, body and headers. Pure."""
    meaning, context = MEANINGS[event.kind], f"{status.context}/{event.project}"
    description = event.text if len(event.text) <= LONGEST else f"{event.text[: LONGEST - 1]}…"
    if status.kind == "gitlab":
        url = f"{status.url}/api/v4/projects/{quote(status.repository, safe='')}/statuses/{event.revision}"
        body = {"state": GITLAB_WORDS[meaning], "name": context, "description": description}
        return url, body, {"private-token": token}
    body = {"state": meaning, "context": context, "description": description}
    if status.kind == "github":
        headers = {
            "authorization": f"Bearer {token}",
            "accept": "application/vnd.github+json",
            "x-github-api-version": "2022-11-28",
        }
        return f"{status.url}/repos/{status.repository}/statuses/{event.revision}", body, headers
    url = f"{status.url}/api/v1/repos/{status.repository}/statuses/{event.revision}"
    return url, body, {"authorization": f"token {token}"}


async def tell_status(clock: Clock, status: CommitStatus, event: Event) -> None:
    """Raises EngineError where the host doesn't take it."""
    token = read_secret(status.token_file).decode(errors="replace")
    url, body, headers = request_of(status, event, token)
    await post(clock, url, body, headers)
