"""One notification carried out: JSON to a webhook, text to Slack, an event to a command's standard input."""

from __future__ import annotations

import json
import os
import socket
from dataclasses import asdict
from string import Template
from typing import Any

from engine.client.errors import SystemFailure
from engine.gitops.api.documents import event_document
from engine.gitops.secretfile import read_secret
from engine.gitops.settings.check import FILLED
from engine.gitops.settings.models import Notification
from engine.gitops.state.store import Event
from engine.gitops.tell.post import post
from engine.kit.clock import Clock
from engine.kit.process import ProcessTimeout, run_process

COMMAND_SECONDS = 60.0
DEFAULT = "$kind $project on $host: $text"


def wants(notification: Notification, event: Event) -> bool:
    """What is told of notifying itself is told nobody: it would never end."""
    return (
        event.kind != "notification-failed"
        and (not notification.events or event.kind in notification.events)
        and (not notification.projects or event.project in notification.projects)
    )


def document_of(notification: Notification, event: Event) -> dict[str, Any]:
    """The event with the host's name, and `message`: the template filled in."""
    values = {**asdict(event_document(event)), "host": socket.gethostname()}
    message = Template(notification.template or DEFAULT).safe_substitute(values)
    return {**values, "message": message}


async def notify(clock: Clock, notification: Notification, event: Event) -> None:
    """Raises EngineError where nobody takes it."""
    body = document_of(notification, event)
    if notification.slack_file is not None:
        await post(clock, read_secret(notification.slack_file).decode(), {"text": body["message"]})
    elif notification.command:
        await run_command(notification, body)
    else:
        file = notification.webhook_file
        await post(clock, read_secret(file).decode() if file is not None else notification.webhook or "", body)


async def run_command(notification: Notification, body: dict[str, Any]) -> None:
    """The event as JSON on its standard input, and its parts as RORQUAL_… in its environment."""
    parts = {f"RORQUAL_{name.upper()}": str(body[name]) for name in (*FILLED, "message")}
    try:
        done = await run_process(
            notification.command,
            stdin=json.dumps(body, ensure_ascii=False).encode(),
            environment={**os.environ, **parts},
            timeout_seconds=COMMAND_SECONDS,
        )
    except (OSError, ProcessTimeout) as error:
        raise SystemFailure(f"{notification.command[0]}: {error}") from None
    if done.code:
        words = done.stderr.decode(errors="replace").strip()[-200:]
        raise SystemFailure(f"{notification.command[0]} ended with {done.code}: {words}")
