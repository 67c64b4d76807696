"""Dockerfiles grown from seeds: a few stages of instructions that dockerd's classic builder knows, over one context."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from tests.busybox import REFERENCE
from tests.dockerfiles import Case, packed

FILES: dict[str, bytes | str] = {
    "a": "1",
    "b*": "2",
    "s p": "3",
    "d/x": "4",
    "d/e/y*": "5",
    "d/l->x": "",
    "t.tgz": packed(f="6", g__h="7"),
}
FOLDERS = ("/d1/", "/d2/n/", "rel/", ".", "/lnk/", "${P}/", "/deep/er/")
OWNERS = ("", "", "", "--chown=5 ", "--chown=33:34 ", "--chown=www-data ", "--chown=www-data:nogroup ")
IGNORED = ("", "", "d/e\n", "*\n!a\n!b\n!d\nd/x\n", "**/y\nt.tgz\n", "# none\n\n")
# What may fail (whoever the user is) does so on both.
COMMANDS = (
    "mkdir -p /d1/n && chmod 2750 /d1/n",
    "rm -rf /d1/e /d2",
    "mkdir -p /d1 && ln -sfn d1 /lnk",
    "chown -R 7:8 /d2 /d1",
    "mkdir -p /d1/e && echo new > /d1/e/y",
    "touch -d @1000000000 /d1/x; chmod 4711 /d1/x",
    "ln /etc/passwd /hard; mkfifo /pipe; mknod /null c 1 3",
    "mv /d1 /moved; mkdir /d1",
    "cp -a /d1 /copy",
    "find / -xdev -name '[a-g]' -type f | sort > /found",
)


class Growing:
    def __init__(self, seed: int) -> None:
        self.chance = Random(seed)
        self.lines: list[str] = []
        self.count = 0

    def one(self, *of: str) -> str:
        return self.chance.choice(of)

    def number(self) -> int:
        self.count += 1
        return self.count

    def sources(self) -> str:
        several = self.one("a", "b", "a b", "d", "d/", "d/x", "d/*", "?", "[ab]", "a *.none", "./d/../a b", "d/e a")
        return several if self.chance.random() < 0.9 else "."

    # --- instructions
    def copy(self) -> str:
        sources, owner = self.sources(), self.one(*OWNERS)
        if sources in ("a", "b", "d/x") and self.chance.random() < 0.5:
            return f"COPY {owner}{sources} /f{self.number()}"
        if self.chance.random() < 0.15:
            return f'COPY {owner}["s p", "a", "/spaced dir/"]'
        place = self.one(*FOLDERS)
        return f"COPY {owner}{sources} {place if place.endswith('/') or sources in ('a', 'b', 'd') else './'}"

    def add(self) -> str:
        return f"ADD {self.one('t.tgz', 't.tgz a', 'd', '*.tgz')} {self.one('/d1/', '/t/', 'rel/')}"

    def run(self) -> str:
        number = self.number()
        command = self.one(
            *COMMANDS,
            f"echo $V $W ${{P}} > /o{number}",
            f"id > /id{number}; pwd >> /id{number}",
            f"env | grep -E '^[VWPA]=' | sort > /env{number}",
        )
        return f'RUN ["sh", "-c", "{command}; true"]' if "'" in command else f"RUN {command}; true"

    def environment(self) -> str:
        return self.one(
            "ENV V=1 W=$V",
            'ENV V="two words" P=/p',
            "ENV W ${V:-unset} and $P",
            "ENV P=${P:-/q}$V",
            "ARG V=arg",
            "ARG A",
            "ARG W=$A",
        )

    def state(self) -> str:
        return self.one(
            "WORKDIR /w/x",
            "WORKDIR y",
            "WORKDIR ${P}",
            "USER 33",
            "USER www-data:nogroup",
            "USER root",
            'SHELL ["/bin/sh", "-ec"]',
        )

    def words(self) -> str:
        return self.one(
            "LABEL a=$V b='c d' \"e f\"=g",
            "EXPOSE 80 90-92/udp",
            "CMD x $V",
            'CMD ["y", "z"]',
            "ENTRYPOINT e",
            'ENTRYPOINT ["e", "f"]',
            "STOPSIGNAL SIGUSR1",
            "HEALTHCHECK --interval=5s CMD a b",
            "HEALTHCHECK NONE",
            "ONBUILD RUN echo $V > /onbuild; true",
            "ONBUILD COPY a /onbuilt/",
        )

    def stage(self, number: int) -> None:
        base = self.one(REFERENCE, f"s{self.chance.randrange(number)}") if number else REFERENCE
        self.lines.append(f"FROM {base} AS s{number}")
        makers: list[Callable[[], str]] = [self.copy, self.copy, self.add, self.run, self.run]
        makers += [self.environment, self.state, self.words]
        for _ in range(self.chance.randint(3, 9)):
            self.lines.append(self.chance.choice(makers)())
        if number and self.chance.random() < 0.7:
            source = self.one("/etc/passwd", "/d1", "/d1/", "/lnk", "/f*", "/w")
            earlier = self.chance.randrange(number)
            self.lines.append(f"RUN mkdir -p /w; true\nCOPY --from=s{earlier} /etc/group {source} /from{number}/")
        if self.chance.random() < 0.2:
            self.lines.append(f"VOLUME /v{self.number()} /w")


def grown(seed: int) -> Case:
    growing = Growing(seed)
    stages = growing.chance.randint(1, 3)
    for number in range(stages):
        growing.stage(number)
    # dockerd builds stages that nothing needs, we don't: all are needed here
    growing.lines += [f"COPY --from=s{number} /etc/group /of{number}/" for number in range(stages - 1)]
    files = {**FILES, ".dockerignore": growing.one(*IGNORED)}
    flags = ("--build-arg=A=given",) if growing.chance.random() < 0.5 else ()
    return Case("\n".join(growing.lines) + "\n", files, flags)
