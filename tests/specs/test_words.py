# ruff: noqa: E501 (a case a line: tables read across)
"""Mistakes that people make, and what they are told: the place, the fault in their words, what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from specs.load import Request, load

HEAD = "services:\n  web:\n    image: nginx\n"
# the file → code, line:column, a piece of the message, a piece of the hint
MISTAKES: dict[str, tuple[str, str, str, str, str]] = {
    "a tab": ("services:\n  web:\n\timage: nginx\n", "yaml-syntax", "3:1", "tab", "spaces"),
    "a key indented wrongly": (f"{HEAD}   tty: true\n", "yaml-syntax", "4:4", "mapping above", "one column"),
    "no colon": ("services:\n  web:\n    image nginx\n    tty: true\n", "yaml-syntax", "4:8", "line above", "colon"),
    "two colons": (f"{HEAD}    command: foo: bar\n", "yaml-syntax", "4:17", '": "', "quotes"),
    "a quote left open": (f'{HEAD}    user: "x\n    ports: ["80"]\n', "yaml-syntax", "5:14", "after the end", "quote"),
    "a quote left open to the end": (f'{HEAD}    user: "x\n', "yaml-syntax", "5:1", "never closed", "close it"),
    "a bracket left open": (f"{HEAD}    cap_add: [a\n    tty: true\n", "yaml-syntax", "5:8", "not closed", "[a, b]"),
    "a comma forgotten": (f'{HEAD}    cap_add: ["a" "b"]\n', "yaml-syntax", "4:19", "comma", "[a, b]"),
    "an @": ("services:\n  web:\n    image: @x\n", "yaml-syntax", "3:12", "@", "quotes"),
    "a backslash": (f'{HEAD}    user: "\\d"\n', "yaml-syntax", "4:12", "escape", "single quotes"),
    "no dash-space": (f"{HEAD}    labels:\n    - a=b\n    -c=d\n", "yaml-syntax", "6:5", "NAME: VALUE", "colon"),
    "an item out of line": (f"{HEAD}    labels:\n      - a=b\n    - c=d\n", "yaml-syntax", "6:5", "", ""),
    "a typo in a key": (f"{HEAD}    enviroment: {{A: b}}\n", "unknown-key", "4:5", "enviroment", '"environment"'),
    "ports without its s": (f"{HEAD}    port: [80:80]\n", "unknown-key", "4:5", "'port'", '"ports"'),
    "a mapping in a list": (f"{HEAD}    environment:\n      - A: b\n", "wrong-type", "5:9", "not a mapping", '"- "'),
    "a line for a list": (f"{HEAD}    environment:\n      A=b\n", "wrong-type", "5:7", "not a string", "A: b"),
    "text for a list": (f'{HEAD}    ports: "80:80"\n', "wrong-type", "4:12", "a list", '["80:80"]'),
    "a name for a list": (f"{HEAD}    depends_on: db\n", "wrong-type", "4:17", "a list", "[db]"),
    "a list for a mapping": (f"{HEAD}volumes:\n  - data\n", "wrong-type", "5:3", "not a list", "colon"),
    "services as a list": ("services:\n  - web: {image: x}\n", "wrong-type", "2:3", "not a list", '"- "'),
    "a volume with a colon too many": (f"{HEAD}    volumes:\n      - data:\n", "wrong-type", "5:9", "data", "quotes"),
    "a service at the left": ("web:\n  image: x\n", "unknown-key", "1:1", "'web'", "services:"),
    "keys beside their service": ("services:\n  image: x\n", "wrong-type", "2:10", "services.image", "below the service"),
    "nothing in a service": ("services:\n  web:\n", "wrong-type", "2:7", "not null", "to the right"),
    "a number for text": ("version: 3.8\n" + HEAD, "wrong-type", "1:10", "a string", "remove it"),
    "a number for a user": (f"{HEAD}    user: 1000\n", "wrong-type", "4:11", "a string", '"1000"'),
    "a date": (f"{HEAD}    environment: {{D: 2024-01-01}}\n", "wrong-type", "4:22", "a date", '"2024-01-01"'),
    "seconds without a unit": (f"{HEAD}    stop_grace_period: 10\n", "wrong-type", "4:24", "a string", "10s"),
    "a duration in words": (f"{HEAD}    stop_grace_period: 10 sec\n", "bad-duration", "4:24", "10 sec", "1m30s"),
    "a size in words": (f"{HEAD}    mem_limit: lots\n", "bad-size", "4:16", "lots", "512m"),
    "a count in words": (f"{HEAD}    scale: two\n", "wrong-type", "4:12", "scale: 'two'", ""),
    "a flag in words": (f"{HEAD}    privileged: maybe\n", "wrong-type", "4:17", "privileged: 'maybe'", ""),
    "a condition with a typo": (
        f"{HEAD}    depends_on: {{web2: {{condition: service_health}}}}\n  web2: {{image: x}}\n",
        "not-allowed",
        "4:36",
        "service_health",
        '"service_healthy"',
    ),
    "a host name for an address": (f"{HEAD}    ports: ['localhost:80:80']\n", "bad-port", "4:13", "localhost", "[IP:]"),
    "a protocol with a typo": (f"{HEAD}    ports: ['80/tpc']\n", "bad-port", "4:13", "tpc", "/PROTOCOL"),
    "a port as a mapping": (f"{HEAD}    ports:\n      - 80: 80\n", "key-not-string", "5:9", "80", '"80:80"'),
    "a variable left open": (f"{HEAD}    user: '${{A'\n", "bad-variable", "4:11", "nothing closes", "$$"),
    "a variable of a bad name": (f"{HEAD}    user: '${{1A}}'\n", "bad-variable", "4:11", "no ${NAME}", "$$"),
    "a key twice": (f"{HEAD}    image: x\n", "duplicate-key", "4:5", "'image'", "remove"),
    "a section twice": (f"{HEAD}services: {{a: {{image: x}}}}\n", "duplicate-key", "4:1", "'services'", "content of both"),
    "an anchor's name for the anchor": ("x-a: &a {tty: true}\nservices: {b: {image: x, <<: a}}\n", "merge-key", "2:30", "<<", "*a"),
    "no such env file": (f"{HEAD}    env_file: prod.env\n", "env-file-missing", "4:15", "prod.env", "required: false"),
    "a name with a space": ("services: {'my web': {image: x}}\n", "bad-name", "1:12", "my web", "letters"),
    "an image in capitals": ("services: {a: {image: 'Nginx:1'}}\n", "bad-image", "1:23", "Nginx:1", "nginx:1"),
    "an image as a URL": ("services: {a: {image: 'https://x.y/z'}}\n", "bad-image", "1:23", "https", "leave out https://"),
    "an image with two tags": ("services: {a: {image: 'x:1:2'}}\n", "bad-image", "1:23", "x:1:2", "[:TAG]"),
    "a restart policy with a typo": (f"{HEAD}    restart: allways\n", "bad-restart", "4:14", "allways", '"always"'),
    "an open quote in a command": (f"{HEAD}    command: echo \"hi\n", "bad-command", "4:14", "nothing closes", "a list"),
    "an old version": (f"version: '3'\n{HEAD}", "obsolete-key", "1:1", "version", ""),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_told_with_its_place_and_a_way_out(mistake: str, tmp_path: Path) -> None:
    text, code, place, message, hint = MISTAKES[mistake]
    (tmp_path / "compose.yaml").write_text(text)
    found = load(Request(str(tmp_path), project_name="p")).report.diagnostics
    first = next(d for d in found if d.code == code)
    assert first.span is not None
    assert f"{first.span.line}:{first.span.column}" == place
    assert message in first.message
    assert hint in (first.hint or "")


@pytest.mark.parametrize(
    "image",
    [
        "nginx",
        "nginx:1.27-alpine",
        "library/nginx",
        "localhost:5000/a/b_c/d__e:x",
        "ghcr.io/Owner/x".lower(),
        "REGISTRY.example/x",
        "[::1]:5000/x",
        "x@sha256:" + "0" * 64,
        "x:1@sha256:" + "0" * 64,
        "sha256:" + "a" * 64,
    ],
)
def test_an_image_reference_that_an_engine_takes_is_not_complained_of(image: str, tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text(f"services: {{a: {{image: '{image}'}}}}\n")
    assert len(load(Request(str(tmp_path), project_name="p")).report) == 0


@pytest.mark.parametrize("policy", ["no", "'no'", "always", "on-failure", "'on-failure:3'", "unless-stopped", "''"])
def test_a_restart_policy_that_there_is_is_not_complained_of(policy: str, tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text(f"services: {{a: {{image: x, restart: {policy}}}}}\n")
    assert len(load(Request(str(tmp_path), project_name="p")).report) == 0
