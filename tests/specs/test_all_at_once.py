"""A fault hides no other: whatever phase finds it, all are told in one run, each once, at the smallest node, and
nothing is said of what is only missing because something else is wrong.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from specs.load import Loaded, Request, load
from specs.source import Diagnostic, Severity

# what, where (line, column), how many characters wide
Place = tuple[str, int, int]


def loaded(folder: Path, files: dict[str, str] | str, *names: str, env: dict[str, str] | None = None) -> Loaded:
    for name, text in ({"compose.yaml": files} if isinstance(files, str) else files).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return load(Request(str(folder), env or {}, names or None, project_name="p"))


def errors(
    folder: Path, files: dict[str, str] | str, *names: str, env: dict[str, str] | None = None
) -> list[Diagnostic]:
    return [d for d in loaded(folder, files, *names, env=env).report if d.severity is Severity.ERROR]


def places(found: list[Diagnostic]) -> list[Place]:
    return [(d.code, d.span.line, d.span.column) for d in found if d.span is not None]


EIGHT = """\
services:
  web:
    enviroment: {A: b}
    image: ${IMAGE:?say which}
    ports: ["80:http", "99999:80", "8080:80"]
    tty: 5
    mem_limit: 3 elephants
    depends_on: [bd]
    stop_grace_period: soon
    env_file: nowhere.env
  db: {image: x, volumes: ["dta:/d"]}
volumes: {data: }
"""


def test_a_file_with_faults_of_eight_phases_gets_them_all_in_one_run(tmp_path: Path) -> None:
    found = errors(tmp_path, EIGHT)
    assert places(found) == [
        ("unknown-key", 3, 5),
        ("missing-variable", 4, 12),
        ("bad-port", 5, 13),
        ("bad-port", 5, 24),
        ("wrong-type", 6, 10),
        ("bad-size", 7, 16),
        ("unknown-service", 8, 18),
        ("bad-duration", 9, 24),
        ("env-file-missing", 10, 15),
        ("unknown-volume", 11, 28),
    ]
    hints = {d.code: d.hint or "" for d in found}
    assert hints["unknown-key"] == 'did you mean "environment"?'
    assert "IMAGE" in hints["missing-variable"]
    assert '"db" (compose.yaml:11:3)' in hints["unknown-service"]
    assert '"data" (compose.yaml:12:11)' in hints["unknown-volume"]
    assert all(d.span is not None and d.span.end_line == d.span.line for d in found)
    assert all(hints[code] for code in ("bad-port", "bad-size", "bad-duration", "env-file-missing"))


def test_faults_of_every_file_are_told_together(tmp_path: Path) -> None:
    files = {
        "a.yaml": "include: [inc/inc.yaml]\nservices:\n  web: {image: x, tty: 5, depends_on: [inner, nope]}\n",
        "inc/inc.yaml": "services:\n  inner: {image: y, ports: ['x:80'], extends: {file: base.yaml, service: base}}\n",
        "inc/base.yaml": "services:\n  base: {labels: {a: '${'}}\n",
        "b.yaml": "services:\n  web: {imag: z, networks: [nope]}\n",
    }
    found = errors(tmp_path, files, "a.yaml", "b.yaml")
    assert [(d.span.file, d.code) for d in found if d.span] == [
        ("a.yaml", "wrong-type"),
        ("a.yaml", "unknown-service"),
        ("inc/inc.yaml", "bad-port"),
        ("inc/base.yaml", "bad-variable"),
        ("b.yaml", "unknown-key"),
        ("b.yaml", "unknown-network"),
    ]


def test_a_fault_at_an_anchor_is_told_once_however_many_use_it(tmp_path: Path) -> None:
    text = """\
x-base: &base
  image: x
  restrat: always
  ports: [http]
  depends_on: [nope]
services:
  a: {<<: *base}
  b: {<<: *base}
  c: {extends: a}
"""
    assert places(errors(tmp_path, text)) == [("unknown-key", 3, 3), ("bad-port", 4, 11), ("unknown-service", 5, 16)]


def test_values_from_variables_name_the_variable_and_where_it_was_set(tmp_path: Path) -> None:
    files = {
        ".env": "PORT=http\nVOL=dta\nTTY=maybe\n",
        "compose.yaml": "services:\n  a: {image: '$IMG', ports: ['$PORT:80'], tty: '$TTY', volumes: ['$VOL:/d'],"
        " mem_limit: '$MEM', depends_on: ['$DEP']}\n",
    }
    told = {d.code: d.message for d in errors(tmp_path, files, env={"MEM": "much", "DEP": "nobody"})}
    assert "${PORT}, set in .env:1" in told["bad-port"]
    assert "${VOL}, set in .env:2" in told["unknown-volume"]
    assert "${TTY}, set in .env:3" in told["wrong-type"]
    assert "${MEM}, set in environment" in told["bad-size"]
    assert "${DEP}, set in environment" in told["unknown-service"]
    assert "${IMG}, not set" in told["missing-image"]


# what is wrong → the file, and the only error that it may give
ALONE = {
    "an image of the wrong type": ("services: {a: {image: 5}}", "wrong-type"),
    "an image key with a typo": ("services: {a: {imag: x}}", "unknown-key"),
    "a build of the wrong type": ("services: {a: {build: 5}}", "wrong-type"),
    "an image without its variable": ("services: {a: {image: '${X:?}'}}", "missing-variable"),
    "a faulty service is still there": ("services: {a: {image: x, depends_on: [b]}, b: 5}", "wrong-type"),
    "a service of a bad name": ("services: {a: {image: x, depends_on: ['b!']}, 'b!': {image: y}}", "bad-name"),
    "a section with a typo": ("services: {a: {image: x, volumes: ['v:/v']}}\nvolume: {v: }", "unknown-key"),
    "a section of the wrong type": ("services: {a: {image: x, networks: [n]}}\nnetworks: [n]", "wrong-type"),
    "an include that is not there": ("include: [no.yaml]\nservices: {a: {image: x, depends_on: [b]}}", "file-missing"),
    "an extended file that is not there": ("services: {a: {extends: {file: no.yaml, service: b}}}", "file-missing"),
    "an extended service that is not there": ("services: {a: {extends: b}, c: {extends: a}}", "unknown-service"),
    "an extended service without its image": ("services: {a: {extends: b}, b: {image: [x]}}", "wrong-type"),
    "a circle of extends": ("services: {a: {extends: b}, b: {extends: a}, c: {extends: a}}", "extends-cycle"),
    "a port without its target": ("services: {a: {image: x, ports: [{target: [1]}]}}", "wrong-type"),
    "a mount without its target": ("services: {a: {image: x, volumes: [{type: tmpfs, target: 5}]}}", "wrong-type"),
    "a condition of the wrong type": (
        "services: {a: {image: x, depends_on: {b: {condition: 5}}}, b: {image: y}}",
        "wrong-type",
    ),
    "a secret of the wrong type": ("services: {a: {image: x, secrets: [s]}}\nsecrets: {s: {file: 5}}", "wrong-type"),
    "services twice": ("services: {a: {image: x}}\nservices: {b: {image: y, depends_on: [a]}}", "duplicate-key"),
    "an anchor with a typo": ("x-a: &base {image: x}\nservices: {a: {<<: *bse}}", "unknown-anchor"),
    "a key that is a number": ("services: {1: {image: x}, a: {image: y, depends_on: ['1']}}", "key-not-string"),
}  # fmt: skip


@pytest.mark.parametrize("name", ALONE)
def test_nothing_is_said_of_what_follows_from_another_fault(name: str, tmp_path: Path) -> None:
    text, code = ALONE[name]
    assert [str(d) for d in errors(tmp_path, text) if d.code != code] == []
    assert len(errors(tmp_path, text)) == 1


def test_a_broken_env_file_does_not_make_its_variables_missing(tmp_path: Path) -> None:
    files = {".env": "A=1\nB C=2\nD=3\n", "compose.yaml": "services: {a: {image: '${D:?}', tty: '$E', imag: 5}}\n"}
    found = errors(tmp_path, files)
    assert [(d.code, d.span and d.span.file) for d in found] == [
        ("unknown-key", "compose.yaml"),
        ("env-file-syntax", ".env"),
    ]


def test_a_file_that_can_not_be_parsed_does_not_hide_the_faults_of_the_others(tmp_path: Path) -> None:
    files = {
        "a.yaml": "services:\n  a:\n\timage: x\n",
        "b.yaml": "services: {a: {tty: 5, depends_on: [b]}, c: {ports: [x]}}\n",
        "c.yaml": "- a list\n",
    }
    assert [d.code for d in errors(tmp_path, files, "a.yaml", "b.yaml", "c.yaml", "none.yaml")] == [
        "yaml-syntax",
        "wrong-type",
        "bad-port",
        "wrong-type",
        "file-missing",
    ]


def test_what_can_not_be_merged_does_not_hide_the_rest(tmp_path: Path) -> None:
    files = {
        "a.yaml": "services: {a: {image: x, ports: ['80:80'], logging: {driver: json-file}, sysctls: [a=b]}}\n",
        "b.yaml": "services: {a: {ports: {a: b}, logging: 5, imag: y}}\n",
    }
    found = errors(tmp_path, files, "a.yaml", "b.yaml")
    assert [d.code for d in found] == ["cannot-override", "cannot-override", "unknown-key"]
    assert "!override" in (found[0].hint or "")
    assert found[0].related[0].span.file == "a.yaml"


def test_two_services_that_want_one_name_are_one_fault(tmp_path: Path) -> None:
    text = "services: {a: {image: x, container_name: nn}, b: {image: x, container_name: nn}}"
    assert [d.code for d in errors(tmp_path, text)] == ["same-container-name"]


def test_a_missing_env_file_beside_one_that_is_there_is_one_fault(tmp_path: Path) -> None:
    files = {"compose.yaml": "services:\n  web:\n    image: x\n    env_file: [a.env, no.env]\n", "a.env": "A=1\n"}
    assert places(errors(tmp_path, files)) == [("env-file-missing", 4, 23)]
