"""The shape of agent.yaml, as data: one table checks the file and describes itself as JSON Schema."""

from __future__ import annotations

from functools import partial

from specs.node import Node
from specs.shapes.kinds import BOOLEAN, NUMBER, STRING, Fault, Shape, between, each, either, matching, words
from specs.shapes.kinds import fields as any_fields
from specs.shapes.kinds import keyed as any_keyed

READER = "the agent"
fields = partial(any_fields, reader=READER)
keyed = partial(any_keyed, reader=READER)

NAME = "^[a-z0-9][a-z0-9_-]*$"


def without_unit(node: Node) -> list[Fault]:
    """A number alone may be meant in anything."""
    return [Fault(node, "bad-format", f"{node.value} has no unit", f"{node.value}s are seconds, {node.value}m minutes")]


WRITTEN = matching(r"^([0-9]+(\.[0-9]+)?(ms|s|m|h|d|w))+$", "a duration, such as 30s or 1h30m")
DURATION = Shape({**WRITTEN.checks, int: without_unit, float: without_unit}, WRITTEN.schema)
ABSOLUTE = matching("^/", "an absolute path")
PATHS = either(STRING, each(STRING))
COUNT = between(0)

ENGINE = fields({"host": STRING, "context": STRING})
WINDOW = fields({"cron": STRING, "duration": DURATION, "timezone": STRING}, required=("cron", "duration"))
# What a project may say, and what `defaults` and `discover` say for many.
POLICY: dict[str, Shape] = {
    "engine": ENGINE,
    "profiles": each(STRING, unique=True),
    "env_files": PATHS,
    "environment": any_keyed("^[A-Za-z_][A-Za-z0-9_]*$", either(STRING, NUMBER, BOOLEAN), reader=READER),
    "interval": DURATION,
    "heal": words("heal", "report", "off"),
    "heals_per_hour": COUNT,
    "prune": BOOLEAN,
    "health_timeout": DURATION,
    "rollback": BOOLEAN,
    "approve_over": COUNT,
    "after": each(STRING, unique=True),
    "windows": each(WINDOW),
    "suspend": BOOLEAN,
}
PROJECT = fields({"path": STRING, "files": PATHS, "name": matching(NAME, "a project's name"), **POLICY})
DISCOVER = fields({"pattern": PATHS, "exclude": PATHS, **POLICY}, required=("pattern",))
CREDENTIALS = fields(
    {
        "username": STRING,
        "password_file": ABSOLUTE,
        "ssh_key_file": ABSOLUTE,
        "known_hosts_file": ABSOLUTE,
        "ca_file": ABSOLUTE,
    }
)
SIGNATURES = fields({"keyring": ABSOLUTE, "allowed_signers": ABSOLUTE})
WEBHOOK = fields(
    {"kind": words("github", "gitlab", "gitea", "forgejo", "generic"), "secret_file": ABSOLUTE},
    required=("kind", "secret_file"),
)
STATUS = fields(
    {
        "kind": words("github", "gitlab", "gitea", "forgejo"),
        "url": matching("^https?://", "an http:// or https:// address"),
        "repository": STRING,
        "token_file": ABSOLUTE,
        "context": STRING,
    },
    required=("kind", "url", "repository", "token_file"),
)
SOURCE = fields(
    {
        "git": STRING,
        "branch": STRING,
        "tag": STRING,
        "commit": matching("^[0-9a-f]{40}([0-9a-f]{24})?$", "a whole commit id"),
        "only": each(STRING, unique=True),
        "submodules": BOOLEAN,
        "lfs": BOOLEAN,
        "credentials": CREDENTIALS,
        "signatures": SIGNATURES,
        "directory": ABSOLUTE,
        "interval": DURATION,
        "timeout": DURATION,
        "webhook": WEBHOOK,
        "status": STATUS,
        "projects": keyed(NAME, PROJECT),
        "discover": DISCOVER,
        "more": STRING,
    }
)
SOURCES = keyed(NAME, SOURCE)
TOKEN = fields({"name": STRING, "role": words("read", "sync", "admin"), "file": ABSOLUTE}, required=("role", "file"))
API = fields({"listen": PATHS, "tokens": each(TOKEN)}, required=("listen",))
EVENTS = words(
    "syncing",
    "synced",
    "failed",
    "rolled-back",
    "drifted",
    "healed",
    "approval",
    "pruned",
    "source-failed",
    "source-recovered",
    "unsettled",
    "warning",
    "ordered",
    "settings",
    "settings-failed",
)
NOTIFICATION = fields(
    {
        "webhook": matching("^https?://", "an http:// or https:// address"),
        "webhook_file": ABSOLUTE,
        "slack_file": ABSOLUTE,
        "command": each(STRING),
        "events": each(EVENTS, unique=True),
        "projects": each(STRING, unique=True),
        "template": STRING,
    }
)
SETTINGS = fields(
    {
        "state": ABSOLUTE,
        "parallel": between(1, 64),
        "engine": ENGINE,
        "defaults": fields(POLICY),
        "api": API,
        "sources": SOURCES,
        "notifications": each(NOTIFICATION),
    },
    required=("sources",),
)
# A file that a source declares more sources in.
DECLARED = fields({"sources": SOURCES}, required=("sources",))
