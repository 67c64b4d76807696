"""What stages are made of: bases, --from, mounts; which a target needs. Pure; the global ARGs are expanded here.

Source: Dockerfile reference, "Understand how ARG and FROM interact", "Automatic platform ARGs in the global scope".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from engine.dockerfile.expand import CantExpand, Expander, expand
from engine.dockerfile.faults import DockerfileError, Fault, Place, meant
from engine.dockerfile.instructions import Copy, Instruction, Run
from engine.dockerfile.parse import Dockerfile, Stage

SCRATCH = "scratch"
# Build arguments that every build may be given without an ARG for them; they are no part of the image.
PREDEFINED = frozenset(
    name
    for word in ("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY")
    for name in (word, word.lower())
)


@dataclass(frozen=True, slots=True)
class Base:
    """A stage's FROM, expanded. `stage` is the earlier stage that it names, else `image` is one's name."""

    image: str
    stage: Stage | None
    platform: str


def global_values(dockerfile: Dockerfile, given: Mapping[str, str], platform: Mapping[str, str]) -> dict[str, str]:
    """The ARGs before the first FROM: a build argument wins over the default. Raises DockerfileError."""
    found = dict(platform)
    for argument in dockerfile.arguments:
        for name, default in argument.values:
            if name in given:
                found[name] = given[name]
            elif default is not None:
                found[name] = expanded(default, found, dockerfile, argument.said.place)
    return found


def expanded(word: str, values: Mapping[str, str], dockerfile: Dockerfile, place: Place) -> str:
    try:
        return expand(word, values, dockerfile.escape)
    except CantExpand as error:
        raise DockerfileError([Fault("expand", f"{word}: {error}", place)]) from None


def base_of(dockerfile: Dockerfile, stage: Stage, values: Mapping[str, str]) -> Base:
    """`values` are the global ones. Raises DockerfileError for a FROM that comes to nothing."""
    head = stage.head
    try:
        expander = Expander(head.base, values, dockerfile.escape)
        image = expander.run()
    except CantExpand as error:
        raise DockerfileError([Fault("expand", f"{head.base}: {error}", head.said.place)]) from None
    platform = expanded(head.platform, values, dockerfile, head.said.place) if head.platform else ""
    if not image:
        names = ", ".join(sorted(expander.unset)) or head.base
        message = f"base name ({head.base}) should not be blank"
        hint = f"declare ARG {names} before the first FROM, with a default, or give it with --build-arg"
        raise DockerfileError([Fault("from", message, head.said.place, hint)])
    return Base(image, earlier(dockerfile, stage, image, numbers=False), platform)


def earlier(dockerfile: Dockerfile, stage: Stage, word: str, *, numbers: bool = True) -> Stage | None:
    """The stage before `stage` that is called `word`; by number only for --from."""
    for other in reversed(dockerfile.stages[: stage.number]):
        if other.name and other.name == word.lower():
            return other
    if numbers and word.isdecimal() and int(word) < stage.number:
        return dockerfile.stages[int(word)]
    return None


def target_of(dockerfile: Dockerfile, target: str) -> Stage:
    """The stage to build: the last one for none. Raises DockerfileError."""
    if not target:
        return dockerfile.stages[-1]
    found = dockerfile.stage(target)
    if found is None:
        names = [stage.name for stage in dockerfile.stages if stage.name]
        hint = meant(target, names) or (f"the stages are {', '.join(names)}" if names else "no stage has a name")
        message = f"target stage {target} could not be found"
        raise DockerfileError([Fault("target", message, dockerfile.stages[-1].head.said.place, hint)])
    return found


def origins_of(instruction: Instruction) -> Iterator[str]:
    """The raw names that an instruction takes files from, stages and images alike."""
    if isinstance(instruction, Copy) and instruction.origin:
        yield instruction.origin
    elif isinstance(instruction, Run):
        for mount in instruction.mounts:
            yield from (value for name, value in mount.options if name == "from" and value)


def needed_stages(dockerfile: Dockerfile, target: Stage, values: Mapping[str, str]) -> list[Stage]:
    """The target and what it takes from, in the file's order. Raises DockerfileError."""
    needed: set[int] = set()
    waiting = [target]
    while waiting:
        stage = waiting.pop()
        if stage.number in needed:
            continue
        needed.add(stage.number)
        base = base_of(dockerfile, stage, values)
        if base.stage is not None:
            waiting.append(base.stage)
        for instruction in stage.instructions:
            for word in origins_of(instruction):
                found = earlier(dockerfile, stage, word)
                if found is not None:
                    waiting.append(found)
    return [stage for stage in dockerfile.stages if stage.number in needed]


def images_taken(dockerfile: Dockerfile, *, args: Mapping[str, str] | None = None, target: str = "") -> list[str]:
    """The names of the images that a build takes from, by FROM, --from and mounts; each once, in the file's order.

    What can't be known before the build (a FROM that comes to nothing, a --from with a variable) is left out.
    """
    try:
        values = global_values(dockerfile, args or {}, {})
        stages = needed_stages(dockerfile, target_of(dockerfile, target), values)
    except (DockerfileError, IndexError):
        return []
    found: dict[str, None] = {}
    for stage in stages:
        base = base_of(dockerfile, stage, values)
        if base.stage is None and base.image != SCRATCH:
            found[base.image] = None
        for instruction in stage.instructions:
            for word in origins_of(instruction):
                if "$" not in word and earlier(dockerfile, stage, word) is None and not word.isdecimal():
                    found[word] = None
    return list(found)
