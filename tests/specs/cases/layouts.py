# ruff: noqa: E501 (a case a line: tables read across)
"""What stands around the files: which file is found, the project's name and directory, env files, profiles, flags."""

from __future__ import annotations

from collections.abc import Iterator

from tests.specs.cases.case import Case

A = "services: {a: {image: x}}\n"
B = "services: {b: {image: y}}\n"
SHOW = "services: {a: {image: 'x:${V:-none}', environment: [V, COMPOSE_PROJECT_NAME], build: ./b}}\n"
NAMES = (
    "work", "My Proj.X_1", "UPPER", "_under", "-dash", "9nine", "a.b", "é", "a b", "日本", "...", "x--y__z", "a@b", "A", "café-1",
)  # fmt: skip
PROJECT_NAMES = ("ok", "ok-1_x", "Bad", "bad name", "-x", "_x", "9", "", "é", "a.b", "x" * 80)
OVERRIDES = ("compose.override.yaml", "docker-compose.override.yml")
PROFILED = """
services:
  plain: {image: x}
  dbg: {image: x, profiles: [debug]}
  both: {image: x, profiles: [debug, extra]}
  needs: {image: x, profiles: [extra], depends_on: [dbg], networks: [n], volumes: ['v1:/v']}
networks: {n: }
volumes: {v1: }
"""
NEEDY = """
services:
  web: {image: x, depends_on: [dbg]}
  dbg: {image: x, profiles: [debug]}
"""
NEEDY_OPTIONAL = """
services:
  web: {image: x, depends_on: {dbg: {condition: service_started, required: false}}, links: []}
  dbg: {image: x, profiles: [debug]}
"""
NEEDY_LINK = """
services:
  web: {image: x, links: [dbg]}
  dbg: {image: x, profiles: [debug]}
"""


def cases() -> Iterator[Case]:
    yield from found()
    yield from named()
    yield from environments()
    yield from profiles()


def found() -> Iterator[Case]:
    names = ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")
    for name in names:
        yield Case(f"found/{name}", {f"work/{name}": A})
        for other in names:
            yield Case(f"found-two/{name}/{other}", {f"work/{name}": A, f"work/{other}": B})
        stem, _, suffix = name.rpartition(".")
        for over in sorted({f"{stem}.override.{ending}" for ending in ("yaml", "yml")} | set(OVERRIDES)):
            yield Case(f"found-override/{name}/{over}", {f"work/{name}": A, f"work/{over}": B})
        yield Case(f"found-explicit/{name}", {f"work/{name}": A, f"work/{stem}.override.{suffix}": B}, ("-f", name))
    yield Case("found/none", {"work/other.txt": ""})
    yield Case("found/parent", {"compose.yaml": SHOW, "work/x": ""})
    yield Case("found/grandparent", {"compose.yaml": SHOW, "work/deep/x": ""}, cwd="work/deep")
    yield Case("found/override-only", {"work/compose.override.yaml": A})
    yield Case("found/directory", {"work/compose.yaml/x": ""})
    yield Case("found/missing-f", {"work/compose.yaml": A}, ("-f", "nope.yaml"))
    yield Case("found/f-directory", {"work/compose.yaml": A, "work/d/x": ""}, ("-f", "d"))
    yield Case(
        "found/f-sub",
        {"work/sub/c.yaml": SHOW, "work/.env": "V=outer", "work/sub/.env": "V=inner"},
        ("-f", "sub/c.yaml"),
    )
    yield Case(
        "found/f-two-dirs", {"work/sub/c.yaml": SHOW, "work/d.yaml": B + "  "}, ("-f", "sub/c.yaml", "-f", "d.yaml")
    )
    yield Case("found/f-two-dirs-2", {"work/sub/c.yaml": SHOW, "work/d.yaml": B}, ("-f", "d.yaml", "-f", "sub/c.yaml"))
    yield Case("found/f-twice", {"work/compose.yaml": SHOW}, ("-f", "compose.yaml", "-f", "compose.yaml"))
    yield Case("found/f-up", {"c.yaml": SHOW, "work/x": ""}, ("-f", "../c.yaml"))
    yield Case("found/COMPOSE_FILE", {"work/1.yaml": A, "work/2.yaml": B}, env={"COMPOSE_FILE": "1.yaml:2.yaml"})
    yield Case(
        "found/COMPOSE_FILE-separator",
        {"work/1.yaml": A, "work/2.yaml": B},
        env={"COMPOSE_FILE": "1.yaml,2.yaml", "COMPOSE_PATH_SEPARATOR": ","},
    )
    yield Case("found/COMPOSE_FILE-dotenv", {"work/1.yaml": A, "work/2.yaml": B, "work/.env": "COMPOSE_FILE=2.yaml"})
    yield Case(
        "found/COMPOSE_FILE-flag",
        {"work/1.yaml": A, "work/2.yaml": B},
        ("-f", "1.yaml"),
        env={"COMPOSE_FILE": "2.yaml"},
    )
    yield Case("found/COMPOSE_FILE-empty", {"work/compose.yaml": A}, env={"COMPOSE_FILE": ""})
    yield Case("found/COMPOSE_FILE-missing", {"work/compose.yaml": A}, env={"COMPOSE_FILE": "nope"})
    for directory in ("sub", ".", "..", "/nonexistent", "nope", "sub/../sub"):
        files = {"work/compose.yaml": SHOW, "work/sub/.env": "V=sub", "work/.env": "V=work"}
        yield Case(f"directory/{directory}", files, ("--project-directory", directory))
        yield Case(f"directory-f/{directory}", files, ("-f", "compose.yaml", "--project-directory", directory))
    yield Case("directory/found-there", {"work/sub/compose.yaml": SHOW}, ("--project-directory", "sub"))


def named() -> Iterator[Case]:
    for name in NAMES:
        yield Case(f"name/folder/{name}", {f"{name}/compose.yaml": SHOW}, cwd=name)
    for name in PROJECT_NAMES:
        yield Case(f"name/flag/{name}", {"work/compose.yaml": SHOW}, ("-p", name))
        yield Case(f"name/env/{name}", {"work/compose.yaml": SHOW}, env={"COMPOSE_PROJECT_NAME": name})
        yield Case(f"name/dotenv/{name}", {"work/compose.yaml": SHOW, "work/.env": f"COMPOSE_PROJECT_NAME={name}"})
        yield Case(f"name/file/{name}", {"work/compose.yaml": f"name: '{name}'\n" + SHOW})
        yield Case(
            f"name/file-env/{name}", {"work/compose.yaml": "name: filed\n" + SHOW}, env={"COMPOSE_PROJECT_NAME": name}
        )
    yield Case(
        "name/flag-over-all",
        {"work/compose.yaml": "name: filed\n" + SHOW, "work/.env": "COMPOSE_PROJECT_NAME=d"},
        ("-p", "f"),
        env={"COMPOSE_PROJECT_NAME": "e"},
    )
    yield Case(
        "name/two-files",
        {"work/1.yaml": "name: one\n" + A, "work/2.yaml": "name: two\n" + B},
        ("-f", "1.yaml", "-f", "2.yaml"),
    )
    yield Case(
        "name/second-file", {"work/1.yaml": A, "work/2.yaml": "name: two\n" + B}, ("-f", "1.yaml", "-f", "2.yaml")
    )


def environments() -> Iterator[Case]:
    files = {"work/compose.yaml": SHOW, "work/.env": "V=dot", "work/1.env": "V=one\nW=1", "work/2.env": "V=two"}
    yield Case("env/dotenv", files)
    yield Case("env/os-over-dotenv", files, env={"V": "os"})
    yield Case("env/os-empty-over-dotenv", files, env={"V": ""})
    yield Case("env/flag", files, ("--env-file", "1.env"))
    yield Case("env/flag-two", files, ("--env-file", "1.env", "--env-file", "2.env"))
    yield Case("env/flag-os", files, ("--env-file", "1.env"), env={"V": "os"})
    yield Case("env/flag-missing", files, ("--env-file", "nope.env"))
    yield Case("env/flag-empty", files, ("--env-file", ""))
    yield Case("env/flag-directory", files, ("--env-file", "."))
    yield Case("env/COMPOSE_ENV_FILES", files, env={"COMPOSE_ENV_FILES": "1.env,2.env"})
    yield Case("env/COMPOSE_ENV_FILES-flag", files, ("--env-file", "1.env"), env={"COMPOSE_ENV_FILES": "2.env"})
    yield Case("env/COMPOSE_DISABLE_ENV_FILE", files, env={"COMPOSE_DISABLE_ENV_FILE": "1"})
    yield Case(
        "env/COMPOSE_DISABLE_ENV_FILE-flag", files, ("--env-file", "1.env"), env={"COMPOSE_DISABLE_ENV_FILE": "true"}
    )
    yield Case("env/dotenv-directory", {"work/compose.yaml": SHOW, "work/.env/x": ""})
    yield Case("env/dotenv-bad", {"work/compose.yaml": SHOW, "work/.env": "A B C=1"})
    yield Case("env/dotenv-latin1", {"work/compose.yaml": SHOW, "work/.env": b"V=\xe9"})
    yield Case("env/flag-refers", {**files, "work/3.env": "V=${W}-x"}, ("--env-file", "1.env", "--env-file", "3.env"))
    yield Case("env/flag-refers-os", {**files, "work/3.env": "V=${W}-x"}, ("--env-file", "3.env"), env={"W": "os"})


def profiles() -> Iterator[Case]:
    texts = {"profiled": PROFILED, "needy": NEEDY, "needy-optional": NEEDY_OPTIONAL, "needy-link": NEEDY_LINK}
    sets: tuple[tuple[str, ...], ...] = (
        (),
        ("debug",),
        ("extra",),
        ("debug", "extra"),
        ("*",),
        ("nope",),
        ("bad name",),
        ("",),
    )
    for name, text in texts.items():
        for chosen in sets:
            flags = tuple(word for profile in chosen for word in ("--profile", profile))
            yield Case(f"profiles/{name}/{chosen}", {"work/compose.yaml": text}, flags)
            yield Case(
                f"profiles-env/{name}/{chosen}", {"work/compose.yaml": text}, env={"COMPOSE_PROFILES": ",".join(chosen)}
            )
        yield Case(f"profiles-dotenv/{name}", {"work/compose.yaml": text, "work/.env": "COMPOSE_PROFILES=debug"})
        yield Case(
            f"profiles-both/{name}",
            {"work/compose.yaml": text},
            ("--profile", "debug"),
            env={"COMPOSE_PROFILES": "extra"},
        )
