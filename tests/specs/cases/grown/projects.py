"""Whole projects: services among networks, volumes, secrets, configs; and the files that they are spread over."""

from __future__ import annotations

import copy
import random
from collections.abc import Mapping
from typing import Any

from tests.specs.cases.case import Case
from tests.specs.cases.conformance import mutate
from tests.specs.cases.grown import services
from tests.specs.cases.grown.spelling import Marked, Raw, Speller
from tests.specs.cases.grown.values import TEXTS, WORDS, Grower

FILES: Mapping[str, str] = {
    "work/a.env": "A=1\nB=two words\n# c\nC='$A'\nD=\"$A-${B:-x}\"\nexport E=5\nF=\nG=$MODE\n",
    "work/b.env": 'A=from-b # tail\nH: yaml\nI="multi\nline"\n',
    "work/sub/c.env": "MODE=sub\nJ=${J:-${A}}\nK=it's\n",
    "work/labels.txt": "L1=v1\nL2=$A\n",
    "work/token.txt": "secret\n",
    "work/app.conf": "x=1\n",
    "work/app/Dockerfile": "FROM scratch\n",
}
VARIABLES = ("TAG", "PORT", "HOST", "LEVEL", "DIR", "NUM")


class Project:
    """One case while it grows. `fault` is the share of projects with something broken on purpose."""

    def __init__(self, chance: random.Random, fault: float = 0.15) -> None:
        self.chance = chance
        self.grow = Grower(chance)
        self.wildness = chance.choice((0.0, 0.3, 0.6, 1.0))
        self.most = chance.choice((2, 4, 8))
        self.faulty = chance.random() < fault
        self.environment: dict[str, str] = {}
        self.dotenv: dict[str, str] = {}
        self.files: dict[str, str | bytes] = dict(FILES)

    def likely(self, share: float) -> bool:
        return self.chance.random() < share

    def case(self, id: str) -> Case:
        main = self.tree(self.chance.sample(WORDS, self.chance.randint(1, 4)))
        flags: list[str] = []
        if self.likely(0.2):
            self.include(main)
        if self.likely(0.3):
            self.extend(main)
        if self.faulty:
            for _ in range(self.chance.choice((1, 1, 2))):
                mutate(main, self.chance)
        others = [self.override(main) for _ in range(self.chance.choice((0, 0, 0, 1, 1, 2)))]
        self.lay(main, others, flags)
        flags += self.profiles(main)
        if self.likely(0.1):
            flags += ["-p", self.grow.one("named", "other-1")]
        if self.dotenv or self.likely(0.1):
            self.files["work/.env"] = "".join(f"{k}={v}\n" for k, v in self.dotenv.items())
        return Case(id, self.files, tuple(flags), env=self.environment)

    def tree(self, names: list[str]) -> dict[str, Any]:
        grow, chance = self.grow, self.chance
        grow.services = names
        grow.networks = chance.sample(("front", "back", "mesh"), chance.randint(1, 3))
        grow.volumes = chance.sample(("data", "logs", "cachevol"), chance.randint(1, 3))
        grow.secrets, grow.configs, grow.models = ["token", "key"], ["app", "inline"], ["llm"]
        tree: dict[str, Any] = {}
        if self.likely(0.2):
            tree["name"] = grow.mostly(("proj", "a_b-c1"), ("Bad Name", "UP", "-x"))
        if self.likely(0.1):
            tree["version"] = grow.one("3.8", "2")
        tree["services"] = {}
        for name in names:
            grow.own = name
            tree["services"][name] = services.body(grow, self.most)
            if self.likely(0.12):
                tree["services"][name]["profiles"] = grow.strings("dev", "debug", "p1")
        tree |= self.around()
        if self.likely(0.15):
            tree["x-top"] = grow.one({"a": [1, "b"]}, "text", None)
        return tree

    def around(self) -> dict[str, Any]:
        """Whatever the services may name."""
        grow = self.grow
        found: dict[str, Any] = {
            "networks": {name: self.network() for name in grow.networks},
            "volumes": {name: self.volume() for name in grow.volumes},
            "secrets": {"token": {"file": grow.one("./token.txt", "token.txt")}, "key": {"environment": "KEY"}},
            "configs": {"app": {"file": "./app.conf"}, "inline": {"content": grow.one("a=b\nc=$$d\n", "x")}},
            "models": {"llm": {"model": "ai/smollm2", **({"context_size": 1024} if self.likely(0.3) else {})}},
        }
        for section in ("secrets", "configs"):
            if self.likely(0.1):
                found[section]["extra"] = grow.one(
                    {"external": True}, {"external": True, "name": "real"}, {"file": "/abs/x"}
                )
        return found

    def network(self) -> Any:
        grow = self.grow
        if self.likely(0.4):
            return None
        if self.likely(0.15):
            return {"external": grow.boolean(), **({"name": "real-net"} if self.likely(0.5) else {})}
        subnet = {"subnet": "172.16.238.0/24"} | grow.optional(
            gateway=lambda: "172.16.238.1",
            ip_range=lambda: "172.16.238.128/25",
            aux_addresses=lambda: {"h": "172.16.238.5"},
        )
        return grow.optional(
            name=lambda: grow.one("real-net", "n.x"),
            driver=lambda: grow.one("bridge", "overlay", "custom"),
            driver_opts=lambda: {"com.docker.network.bridge.name": grow.one("br0", 5)},
            ipam=lambda: {"config": [subnet], **({"driver": "default"} if self.likely(0.3) else {})},
            internal=grow.boolean,
            attachable=grow.boolean,
            enable_ipv6=grow.boolean,
            enable_ipv4=grow.boolean,
            labels=grow.labels,
        )

    def volume(self) -> Any:
        grow = self.grow
        if self.likely(0.5):
            return None
        if self.likely(0.2):
            return {"external": True, **({"name": "real-vol"} if self.likely(0.5) else {})}
        return grow.optional(
            name=lambda: "real-vol",
            driver=lambda: grow.one("local", "flocker"),
            driver_opts=lambda: grow.one({"type": "none", "o": "bind", "device": "./rel"}, {"type": "nfs", "size": 5}),
            labels=grow.labels,
        )

    def include(self, main: dict[str, Any]) -> None:
        """Another project in a folder of its own, or beside."""
        grow = self.grow
        inner = Grower(self.chance, services=["inner"], own="inner", networks=["front"], volumes=["data"])
        tree: dict[str, Any] = {"services": {"inner": services.body(inner, 3)}}
        tree |= {"networks": {"front": None}, "volumes": {"data": None}}
        if self.likely(0.9):
            # the same names in both files are a conflict unless they are equal
            main["networks"]["front"] = main["volumes"]["data"] = None
        for service in tree["services"].values():
            for key in ("secrets", "configs", "models", "env_file", "label_file"):
                service.pop(key, None)
        folder = grow.one("work/sub/", "work/")
        self.files[f"{folder}inc.yaml"] = self.spelled(tree)
        if self.likely(0.3):
            self.files[f"{folder}.env"] = "TAG=inner\nLEVEL=low\n"
        path = folder.removeprefix("work/") + "inc.yaml"
        more = grow.optional(
            project_directory=lambda: grow.one(".", "sub"), env_file=lambda: grow.one("a.env", ["b.env"])
        )
        main["include"] = [grow.one(path, path, {"path": path}, {"path": [path]}, {"path": path, **more})]

    def extend(self, main: dict[str, Any]) -> None:
        """The last service extends another, of this file or of one in a folder."""
        names = list(main["services"])
        derived = main["services"][names[-1]]
        if len(names) > 1 and self.likely(0.5):
            derived["extends"] = self.grow.one(names[0], {"service": names[0]})
        else:
            grow = Grower(
                self.chance, services=["base"], own="base", networks=self.grow.networks, volumes=self.grow.volumes
            )
            base = services.body(grow, 4)
            for key in (
                "secrets",
                "configs",
                "models",
                "depends_on",
                "links",
                "volumes_from",
                "env_file",
                "label_file",
            ):
                base.pop(key, None)
            self.files["work/sub/base.yaml"] = self.spelled({"services": {"base": base}})
            derived["extends"] = {"file": self.grow.one("sub/base.yaml", "./sub/base.yaml"), "service": "base"}
        if self.likely(0.3):
            derived.pop("image", None)

    def override(self, main: dict[str, Any]) -> dict[str, Any]:
        """Some of the services again, with other keys or the same; now and then something is reset or replaced."""
        found: dict[str, Any] = {"services": {}}
        known = main.get("services")
        names = [n for n in known if isinstance(n, str)] if isinstance(known, dict) else []
        for name in self.chance.sample(names, min(len(names), self.chance.randint(1, 2))):
            self.grow.own = name
            body = services.body(self.grow, 3)
            before = known[name] if isinstance(known, dict) and isinstance(known[name], dict) else {}
            for key in self.chance.sample(list(before), min(len(before), 2)):
                if key in services.KEYS:
                    body[key] = services.KEYS[key](self.grow)
                if self.likely(0.1):
                    body[key] = (
                        Marked("!reset", self.grow.one(None, [], {}))
                        if self.likely(0.5)
                        else Marked("!override", before[key])
                    )
            if self.likely(0.5):
                body.pop("image", None)
            if "network_mode" in before:
                body.pop("networks", None)
            if "networks" in before:
                body.pop("network_mode", None)
            found["services"][name] = body
        if self.likely(0.2):
            found["networks"] = {self.grow.networks[0]: self.network()}
        if self.likely(0.2):
            found["volumes"] = {self.grow.volumes[0]: self.volume()}
        return found

    def lay(self, main: dict[str, Any], others: list[dict[str, Any]], flags: list[str]) -> None:
        """Write the files: found by their name, or named by flags, or documents of one file."""
        texts = [self.spelled(tree) for tree in (main, *others)]
        way = self.chance.random()
        if len(texts) == 2 and way < 0.4:
            self.files |= {"work/compose.yaml": texts[0], "work/compose.override.yaml": texts[1]}
        elif len(texts) > 1 and way < 0.6 and not any("\ufeff" in text for text in texts[1:]):
            self.files["work/compose.yaml"] = "\n---\n".join(texts)
        elif len(texts) > 1:
            for number, text in enumerate(texts):
                self.files[f"work/{number}.yaml"] = text
                flags += ["-f", f"{number}.yaml"]
        else:
            self.files[self.chance.choice(("work/compose.yaml", "work/docker-compose.yml"))] = texts[0]

    def profiles(self, main: Mapping[str, Any]) -> list[str]:
        if "profiles" not in str(main):
            return []
        if self.likely(0.2):
            self.environment["COMPOSE_PROFILES"] = "dev,p1"
        return list(
            self.grow.one([], ["--profile", "dev"], ["--profile", "*"], ["--profile", "debug", "--profile", "p1"])
        )

    def spelled(self, tree: dict[str, Any]) -> str:
        tree = self.shared(self.varied(tree))
        return Speller(self.chance, self.wildness).document(tree)

    def varied(self, node: Any, depth: int = 0) -> Any:
        """Some scalars come from variables."""
        if isinstance(node, Marked):
            return Marked(node.mark, self.varied(node.node, depth))
        if isinstance(node, dict):
            return {key: self.varied(value, depth + 1) for key, value in node.items()}
        if isinstance(node, list):
            return [self.varied(item, depth + 1) for item in node]
        if depth > 2 and isinstance(node, str | int) and not isinstance(node, bool) and self.likely(0.04):
            return self.variable(str(node))
        return node

    def variable(self, text: str) -> str:
        name = self.chance.choice(VARIABLES)
        where = self.chance.random()
        plain = text.isprintable() and text not in TEXTS
        if where < 0.25 and plain:
            self.environment.setdefault(name, text)
        elif where < 0.5 and plain:
            self.dotenv.setdefault(name, text)
        value = text if plain else "d"
        half = len(value) // 2
        return str(
            self.grow.one(
                *(
                    f"${{{name}:-{value}}}",
                    f"${{{name}-{value}}}",
                    f"${{{name}:-{value}}}",
                    f"${{{name}:-${{UNSET-{value}}}}}",
                ),
                *(f"{value[:half]}${{UNSET:-{value[half:]}}}", f"${{HOME:+{value}}}", f"${{{name}}}", f"${name}"),
                *(
                    f"${{UNSET}}{value}",
                    self.grow.mostly((f"${{KEY:+{value}}}",), (f"${{{name}:?must}}", f"${{{name}", "${}")),
                ),
            )
        )

    def shared(self, tree: dict[str, Any]) -> dict[str, Any]:
        """Parts of services moved into anchors: merged in by `<<`, or said again by an alias."""
        bodies = tree.get("services")
        if not self.likely(0.4 * self.wildness) or not isinstance(bodies, dict):
            return tree
        tree = copy.copy(tree)
        tree["services"] = bodies = {
            name: dict(body) if isinstance(body, dict) else body for name, body in bodies.items()
        }
        common: dict[str, Any] = {}
        mappings = [body for body in bodies.values() if isinstance(body, dict)]
        for body in mappings:
            for key in self.chance.sample(list(body), min(len(body), self.chance.randint(0, 2))):
                if key not in common and key not in {"extends", "profiles", "container_name"}:
                    common[key] = body.pop(key)
        for body in mappings:
            if common and self.likely(0.7):
                rest = dict(body)
                body.clear()
                body |= {Raw("<<"): Raw(self.chance.choice(("*common", "[*common]"))), **rest}
        self.alias(mappings)
        return {"x-common": Marked("&common", common), **tree}

    def alias(self, bodies: list[dict[Any, Any]]) -> None:
        """One value of an earlier service, said again in a later one."""
        if len(bodies) < 2 or self.likely(0.4):
            return
        first, last = bodies[0], bodies[-1]
        keys = [
            key for key in first if isinstance(key, str) and key not in {"container_name", "extends"} and first[key]
        ]
        if keys and (key := self.chance.choice(keys)) and not isinstance(first[key], Marked):
            value = first[key]
            first[key] = Marked("&again", value)
            mapping = isinstance(value, dict) and self.likely(0.5)
            last[key] = {Raw("<<"): Raw("*again"), "x-more": 1} if mapping else Raw("*again")
