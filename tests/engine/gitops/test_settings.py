"""agent.yaml: what is good becomes values, and every fault is told at its place, all at once."""

from __future__ import annotations

from pathlib import Path

import jsonschema  # type: ignore[import-untyped]
import pytest

from engine.gitops.settings.models import Heal, Role, Window
from engine.gitops.settings.read import read_declared, read_settings
from engine.gitops.settings.schema import PATH, schema, text
from specs.node import plain
from specs.read import read
from specs.source import SpecInvalid

FULL = """\
state: /srv/agent
parallel: 2
engine: {host: unix:///run/rorqual/engine.sock}
defaults: {heal: report, interval: 5m, windows: [{cron: "0 2 * * *", duration: 2h, timezone: Europe/Berlin}]}
api:
  listen: 127.0.0.1:8585
  tokens: [{role: sync, file: /etc/hostname, name: ci}]
sources:
  shop:
    git: https://git.example/shop.git
    branch: main
    credentials: {username: robot, password_file: /etc/hostname}
    projects:
      db: {path: deploy/db}
      web: {path: deploy/web, after: [db], heal: heal, approve_over: 20, environment: {N: 3, ON: true}}
  local:
    directory: /srv/apps
    discover: {pattern: "*/compose.yaml"}
notifications:
  - {slack_file: /etc/hostname, events: [failed, rolled-back]}
"""


def settings_file(folder: Path, body: str) -> Path:
    path = folder / "agent.yaml"
    path.write_text(body)
    return path


def complaints(folder: Path, body: str) -> list[str]:
    with pytest.raises(SpecInvalid) as caught:
        read_settings(settings_file(folder, body))
    return [str(each).removeprefix(f"{folder}/") for each in caught.value.report]


def source(body: str) -> str:
    return f"sources: {{s: {{git: /srv/a.git, projects: {{p: {{}}}}, {body}}}}}"


def test_a_full_file_becomes_values(tmp_path: Path) -> None:
    settings, _ = read_settings(settings_file(tmp_path, FULL))
    shop, local = settings.sources
    db, web = shop.projects
    assert (settings.parallel, settings.state, settings.defaults.interval_seconds) == (2, Path("/srv/agent"), 300.0)
    assert shop.git is not None and shop.git.credentials.username == "robot"
    assert (db.policy.heal, web.policy.heal) == (Heal.REPORT, Heal.HEAL)
    assert web.policy.engine.host == "unix:///run/rorqual/engine.sock"
    assert web.policy.environment == {"N": "3", "ON": "true"}
    assert web.policy.windows == (Window("0 2 * * *", 7200.0, "Europe/Berlin"),)
    assert (web.policy.after, web.policy.approve_over) == (("db",), 20)
    assert local.discover is not None and local.discover.patterns == ("*/compose.yaml",)
    assert settings.api is not None and settings.api.tokens[0].role is Role.SYNC
    assert settings.notifications[0].events == {"failed", "rolled-back"}


def test_every_fault_is_told_at_its_place_in_one_run(tmp_path: Path) -> None:
    body = """\
sources:
  shop:
    git: ext::sh -c x
    directory: /srv/apps
    intervl: 5m
    projects:
      web: {path: ../web, heal: heel, after: [bd]}
      db: {windows: [{cron: "61 * * * *", duration: 2h, timezone: Mars/Base}]}
paralel: 3
"""
    assert complaints(tmp_path, body) == [
        "agent.yaml:3:10: error[bad-format]: 'ext::sh -c x' is no address of a repository",
        "agent.yaml:4:5: error[exclusive-keys]: directory can't stand beside git: leave one out",
        "agent.yaml:5:5: error[unknown-key]: sources.shop.intervl: 'intervl' is not a key that the agent knows here",
        "agent.yaml:7:19: error[bad-path]: '../web' leads out of the source",
        "agent.yaml:7:33: error[not-allowed]: sources.shop.projects.web.heal: 'heel' is not one of heal, report, off",
        'agent.yaml:7:47: error[unknown-project]: project "web" comes after "bd", which is not defined',
        "agent.yaml:8:29: error[bad-format]: '61 * * * *' is no cron time: Bad minute",
        "agent.yaml:8:67: error[bad-format]: 'Mars/Base' is no time zone of this machine",
        "agent.yaml:9:1: error[unknown-key]: paralel: 'paralel' is not a key that the agent knows here",
    ]


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("sources: {s: {git: /srv/a.git}}", "the source has no projects"),
        (source("branch: a, tag: b"), "tag can't stand beside branch: leave one out"),
        (source("signatures: {}"), "signatures names nobody whose signature counts"),
        (source("more: /etc/more.yaml"), "'/etc/more.yaml' leads out of the source"),
        (source("interval: soon"), "sources.s.interval: 'soon' is not a duration, such as 30s or 1h30m"),
        (
            "sources: {s: {git: 'https://u:p@h/a', projects: {p: {}}}}",
            "an address can't hold a password: put it in a file",
        ),
        ("sources: {a: {git: /a, projects: {p: {}}}, b: {git: /b, projects: {p: {}}}}", 'there are two projects "p"'),
        (
            "sources: {a: {git: /a, projects: {p: {after: [q]}, q: {after: [p]}}}}",
            'project "p" comes after "q", which in the end comes after itself',
        ),
        (
            f"{source('branch: b')}\napi: {{listen: '0.0.0.0:80'}}",
            "'0.0.0.0:80' is neither a loopback address with a port nor a socket's path",
        ),
        (
            f"{source('branch: b')}\napi: {{listen: '127.0.0.1:80'}}",
            "on a port everybody on this machine can ask: name tokens",
        ),
        (
            f"{source('branch: b')}\nnotifications: [{{events: [failed]}}]",
            "a notification needs one of webhook, webhook_file, slack_file, command",
        ),
    ],
)
def test_a_rule_that_no_shape_can_say(tmp_path: Path, body: str, told: str) -> None:
    assert any(line.endswith(f"]: {told}") for line in complaints(tmp_path, body)), complaints(tmp_path, body)


def test_a_secret_that_others_can_read_is_a_warning(tmp_path: Path) -> None:
    secret = tmp_path / "token"
    secret.write_text("x")
    secret.chmod(0o644)
    body = source(f"webhook: {{kind: github, secret_file: {secret}}}")
    _, report = read_settings(settings_file(tmp_path, body))
    assert [(d.code, d.hint) for d in report] == [("open-secret", f"chmod 600 {secret}")]


def test_a_source_may_declare_more_sources(tmp_path: Path) -> None:
    settings, _ = read_settings(settings_file(tmp_path, FULL))
    path = tmp_path / "more.yaml"
    path.write_text("sources: {team: {git: /srv/team.git, discover: {pattern: '*/compose.yaml'}}}")
    (team,) = read_declared(path, "shop:more.yaml", settings.defaults)
    assert team.discover is not None and team.discover.policy.heal is Heal.REPORT
    path.write_text("sources: {team: {}}")
    with pytest.raises(SpecInvalid) as caught:
        read_declared(path, "shop:more.yaml", settings.defaults)
    assert "shop:more.yaml:1:11" in str(caught.value)


def test_the_schema_file_is_what_the_shapes_say() -> None:
    assert PATH.read_text(encoding="utf-8") == text(), "run: python -m engine.gitops.settings.schema"


def test_the_schema_takes_what_the_agent_takes() -> None:
    jsonschema.Draft7Validator.check_schema(schema())
    validator = jsonschema.Draft7Validator(schema())
    assert list(validator.iter_errors(plain(read(FULL.encode(), "agent.yaml").documents[0]))) == []
    assert list(validator.iter_errors({"sources": {"s": {"gti": "x"}}}))
