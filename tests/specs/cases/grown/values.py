"""Values of the kinds that keys take: good ones in every spelling, and now and then a doubtful one."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.specs.cases.grown.spelling import Raw

WORDS = ["web", "api", "worker", "db", "cache", "queue", "proxy", "auth", "mail", "search", "cron", "admin"]
HOSTS = ["alpha", "beta", "gamma.local", "host-1", "x"]
KEYS = ["LOG_LEVEL", "MODE", "DB_HOST", "TOKEN", "PATH_A", "url", "feature.x", "TZ", "DEBUG", "A", "B", "C"]
TEXTS = (
    *(
        "info",
        "a b c",
        "",
        "5",
        "true",
        "x=y",
        "postgres://u:p@db/x?a=1&b=2",
        "ünï",
        "$$HOME",
        "a$$b",
        "100%",
        "-",
        "#no",
        "a: b",
    ),
    *(
        "it's",
        'say "hi"',
        "tab\there",
        "two\nlines",
        " padded ",
        "null",
        "0x10",
        "1e3",
        "{x}",
        "[y]",
        "*star",
        "&amp",
        "!bang",
        "C:\\x",
    ),
)
IMAGES = (
    *("nginx", "redis:7-alpine", "postgres:16", "ghcr.io/acme/app:v1.2.3", "localhost:5000/a/b", "busybox:latest"),
    *("docker.io/library/alpine:3.19", "app@sha256:" + "ab" * 32, "reg.example.com:443/x/y:1@sha256:" + "0f" * 32),
)


@dataclass(slots=True)
class Grower:
    """The chance of one case, and the names that its values may refer to."""

    chance: random.Random
    services: list[str] = field(default_factory=list)
    networks: list[str] = field(default_factory=list)
    volumes: list[str] = field(default_factory=list)
    secrets: list[str] = field(default_factory=list)
    configs: list[str] = field(default_factory=list)
    models: list[str] = field(default_factory=list)
    # The service whose body is made.
    own: str = ""

    def one(self, *choices: Any) -> Any:
        return self.chance.choice(choices)

    def mostly(self, good: Sequence[Any], odd: Sequence[Any]) -> Any:
        """One of the good values; an odd one, that may be refused, once in thirty times."""
        return self.chance.choice(odd if self.likely(0.03) else good)

    def likely(self, share: float) -> bool:
        return self.chance.random() < share

    def some(self, choices: Sequence[Any], most: int = 3, least: int = 1) -> list[Any]:
        return self.chance.sample(list(choices), min(len(choices), self.chance.randint(least, most)))

    def other(self) -> str:
        """Another service that exists: an earlier one, so that there are no circles by accident."""
        if self.own in self.services and self.likely(0.97):
            earlier = self.services[: self.services.index(self.own)]
            return str(self.chance.choice(earlier or ["nowhere"]))
        return str(self.chance.choice([*self.services, "nowhere"]))

    def pick(self, names: list[str]) -> str:
        return str(self.chance.choice(names)) if names and self.likely(0.98) else "undefined"

    def optional(self, **makers: Callable[[], Any]) -> dict[str, Any]:
        """Some of the keys, each made when chosen; at least one, in any order."""
        chosen = self.some(list(makers), max(1, len(makers) // 2 + 1))
        return {key: makers[key]() for key in chosen}

    def boolean(self) -> Any:
        return self.mostly(
            (True, False, True, False, "true", "false"), ("yes", Raw("yes"), Raw("on"), "0", "1", "maybe")
        )

    def duration(self) -> Any:
        good = ("10s", "1m30s", "500ms", "2h", "1h0m5s", "90s", "1.5s", "0s", "1us", "1d", "2w", "1m")
        return self.mostly(good, ("10", 5, "-1s", "1x", "", ".5s", "1e3s"))

    def size(self) -> Any:
        good = ("64m", "1g", "512M", "1.5gb", "1024", 1048576, "100k", "2 GB", "0", 0, "10b", "1kib", "1t")
        return self.mostly(good, ("1e3", 1.5, "x", "-1", "", "1 g b", "0.1k"))

    def integer(self, *more: Any) -> Any:
        return self.mostly((0, 1, 2, 10, 100, "5", "10", *more), (Raw("0x10"), Raw("010"), Raw("1_000"), 1.5, "x", -3))

    def number(self) -> Any:
        return self.one(0.5, 1, 2, "1.5", "0.25", Raw("1.50"), Raw("1e-1"), 0)

    def text(self) -> str:
        return str(self.chance.choice(TEXTS))

    def scalar(self) -> Any:
        return self.one(
            self.text(), self.text(), 1, 80, 1.5, True, False, None, Raw("1.10"), Raw("0o17"), Raw("1e3"), Raw(".5")
        )

    def pairs(self, keys: Sequence[str] = KEYS, nullable: bool = True) -> Any:
        """A mapping, or a list of `K=V` and (where a value may be missing) `K`."""
        chosen = self.some(keys, 4)
        if self.likely(0.5):
            return {key: self.scalar() for key in chosen}
        return [key if nullable and self.likely(0.15) else f"{key}={self.text()}" for key in chosen]

    def labels(self) -> Any:
        return self.pairs(("com.example.a", "com.example.b", "traefik.enable", "x", "org.y/z", "n"))

    def strings(self, *choices: str, most: int = 3) -> list[str]:
        found = self.some(choices, most)
        return found + found[:1] if self.likely(0.02) else found

    def string_or_list(self, *choices: str) -> Any:
        return self.one(self.chance.choice(choices), self.strings(*choices))

    def command(self) -> Any:
        return self.one(
            *(
                "sleep 100",
                'sh -c "echo hi && sleep 5"',
                "echo $$HOME '$$A B'",
                "",
                "a\\ b c",
                "run --flag=x -- 'q'",
                None,
            ),
            *(["sleep", "100"], ["sh", "-c", "echo $$X; exec y"], [], ["a", "", "b c"], ["x", Raw("1")]),
            *("python -m http.server 80", "a  b   c", "one\ntwo three", 'a "b\\"c" d', "x # y"),
        )

    def path(self) -> str:
        return str(
            self.one(
                "./data", "./a/../b", ".", "..", "../up", "/srv/x", "/srv/../y/", "~/z", "~", "sub/dir", "./conf.d/"
            )
        )

    def target(self) -> str:
        return str(self.one("/data", "/var/lib/x", "/etc/app/conf.yml", "/x/", "/a/../b", "/run/y", "rel/path"))

    def address(self) -> str:
        return str(self.one("10.5.0.10", "172.16.238.20", "192.168.7.7", "2001:db8::10", "::1", "fd00::5"))
