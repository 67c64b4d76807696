"""Projects over folders: `include` with folders and env files, chains of `extends`, COMPOSE_FILE, `.env` beside."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from tests.specs.cases.case import Case
from tests.specs.cases.grown.spelling import Raw, Speller

FOLDERS = ("", "sub/", "sub/deep/", "lib/", "../up/")
ENV = ("TAG=work\nONLY=$TAG\n", "TAG=two\nPORT=81\n", "PORT=8080\nTAG=${TAG:-three}x\n")


class Folders:
    """Each file knows files that come after it: there are circles only where chance says so."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.files: dict[str, str | bytes] = {
            "work/one.env": "FROM=one\nTAG=one\n",
            "work/sub/two.env": "FROM=two\nPORT=22\n",
            "work/lib/three.env": "FROM=three\n",
            "up/four.env": "FROM=four\n",
        }
        self.places = [f"{chance.choice(FOLDERS)}{name}.yaml" for name in ("a", "b", "c", "d")[: chance.randint(2, 4)]]
        self.relative = chance.random() < 0.8

    def likely(self, share: float) -> bool:
        return self.chance.random() < share

    def case(self, id: str) -> Case:
        chance, environment = self.chance, {}
        names = ["work/compose.yaml", *(located(place) for place in self.places)]
        for number, name in enumerate(names):
            self.files[name] = Speller(chance, 0.0).document(self.tree(number, name, names))
        for folder in FOLDERS:
            if self.likely(0.3):
                self.files[located(f"{folder}.env")] = chance.choice(ENV)
        argv: list[str] = []
        way = chance.random()
        if way < 0.15:
            separator = chance.choice((":", ":", ";"))
            environment["COMPOSE_FILE"] = separator.join(["compose.yaml", self.places[0]])
            if separator != ":" and self.likely(0.8):
                environment["COMPOSE_PATH_SEPARATOR"] = separator
        elif way < 0.3:
            argv = ["-f", "compose.yaml", "-f", self.places[-1]]
        elif way < 0.4:
            argv = ["-f", self.places[-1]]
        if self.likely(0.15):
            argv += ["--project-directory", chance.choice(("sub", ".", "..", "lib", "missing"))]
        if self.likely(0.15):
            argv += ["--env-file", chance.choice(("one.env", "sub/two.env", "missing.env"))]
        if self.likely(0.15):
            argv += ["--profile", chance.choice(("dev", "*", "none"))]
        if self.likely(0.2):
            environment["TAG"] = "os"
        return Case(id, self.files, tuple(argv), env=environment)

    def tree(self, number: int, name: str, names: list[str]) -> dict[str, Any]:
        chance, later = self.chance, names[number + 1 :]
        own = f"s{number}"
        tree: dict[str, Any] = {"services": {own: self.service(own, name, later, number)}}
        if self.likely(0.4):
            tree["services"][f"t{number}"] = self.service(f"t{number}", name, later, number, base=own)
        if later and self.likely(0.6):
            tree["include"] = [
                self.included(name, each, later) for each in chance.sample(later, chance.randint(1, min(2, len(later))))
            ]
        if self.likely(0.2) and number:
            tree["name"] = f"n{number}"
        for kind, value in (("networks", None), ("volumes", None)):
            if self.likely(0.5):
                tree[kind] = {
                    f"{kind[:3]}{chance.choice((number, 'same'))}": chance.choice(
                        (value, {"name": "fixed"}, {"labels": {"l": "$TAG"}})
                    )
                }
        for kind in ("configs", "secrets"):
            if self.likely(0.3):
                what = (
                    {"file": self.path()} if kind == "secrets" or self.likely(0.5) else {"content": "c=${FROM:-}$TAG"}
                )
                tree[kind] = {f"{kind[:3]}{number}": what}
                tree["services"][own][kind] = [f"{kind[:3]}{number}"]
        if "networks" in tree and self.likely(0.7):
            tree["services"][own]["networks"] = list(tree["networks"])
        if "volumes" in tree and self.likely(0.7):
            tree["services"][own].setdefault("volumes", []).append(f"{next(iter(tree['volumes']))}:/vol")
        return tree

    def service(self, own: str, name: str, later: list[str], number: int, base: str = "") -> dict[str, Any]:
        found: dict[str, Any] = {}
        if base and self.likely(0.6):
            found["extends"] = self.chance.choice((base, {"service": base}))
        elif later and self.likely(0.5):
            target = self.chance.choice(later) if self.likely(0.97) else name
            to = f"s{later.index(target) + number + 1}" if target in later else own
            found["extends"] = {"file": self.way(name, target), "service": to if self.likely(0.97) else "nope"}
        if not found or self.likely(0.4):
            found["image"] = "img:${TAG:-none}"
        makers: dict[str, Callable[[], Any]] = {
            "build": lambda: self.chance.choice(
                (self.path(), {"context": self.path(), "dockerfile": "D", "additional_contexts": {"x": self.path()}})
            ),
            "env_file": lambda: self.chance.choice(
                (
                    [{"path": "missing.env", "required": False}],
                    [{"path": "missing.env", "required": False}],
                    "./two.env",
                    "one.env",
                    "/dev/null",
                )
            ),
            "volumes": lambda: [f"{self.path()}:/x", {"type": "bind", "source": self.path(), "target": "/y"}],
            "environment": lambda: {"FROM": "${FROM:-}", "TAG": None, "PORT": "${PORT:-0}"},
            "ports": lambda: ["${PORT:-80}:80"],
            "profiles": lambda: ["dev"],
            "develop": lambda: {"watch": [{"path": self.path(), "action": "rebuild"}]},
            "depends_on": lambda: {
                f"s{self.chance.randint(0, 3)}": {"condition": "service_started", "required": self.likely(0.05)}
            },
            "label_file": lambda: self.chance.choice(("one.env", "./two.env")),
            "labels": lambda: {"l": "${TAG}", "n": "${COMPOSE_PROJECT_NAME}"},
        }
        for key in self.chance.sample(list(makers), self.chance.randint(0, 4)):
            found[key] = makers[key]()
        if self.likely(0.06):
            found["x-nothing"] = Raw("!reset null")
        return found

    def included(self, name: str, target: str, later: list[str]) -> Any:
        path = self.way(name, target)
        if self.likely(0.3):
            return path
        paths: Any = (
            [path, self.way(name, self.chance.choice(later))]
            if self.likely(0.3)
            else self.chance.choice((path, [path]))
        )
        found: dict[str, Any] = {"path": paths}
        if self.likely(0.4):
            found["project_directory"] = self.chance.choice((".", "sub", "..", "lib", "./sub/deep"))
        if self.likely(0.4):
            found["env_file"] = self.chance.choice(
                ("one.env", ["one.env", "sub/two.env"], ["missing.env"], "/dev/null", [], "${E:-one.env}")
            )
        return found

    def path(self) -> str:
        return self.chance.choice((".", "./x", "../x", "x/y", "/abs/x", "~/h", "./a/../b", "sub", "x", "./${TAG:-t}"))

    def way(self, name: str, target: str) -> str:
        """From the folder of one file to another, or from the project's folder."""
        start = name.rpartition("/")[0].split("/") if self.relative else ["work"]
        parts = target.split("/")
        while start and len(parts) > 1 and start[0] == parts[0]:
            start, parts = start[1:], parts[1:]
        found = "/".join([*[".."] * len(start), *parts])
        return f"./{found}" if self.likely(0.3) and not found.startswith(".") else found


def located(place: str) -> str:
    return place.removeprefix("../") if place.startswith("../") else f"work/{place}"


def folders(chance: random.Random, id: str) -> Case:
    return Folders(chance).case(id)
