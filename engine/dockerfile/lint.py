"""What builds but shouldn't stand: BuildKit's build checks, under its names. Pure.

`# check=skip=Name,Name` (or `skip=all`) turns them off, `# check=error=true` makes them errors.
Source: Docker docs, "Build checks".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace

from engine.dockerfile.expand import used_in
from engine.dockerfile.faults import Fault, Place
from engine.dockerfile.instructions import (
    Arg,
    Cmd,
    Copy,
    Entrypoint,
    Env,
    Expose,
    Healthcheck,
    Instruction,
    Label,
    Maintainer,
    Run,
    Shell,
    User,
    Volume,
    Workdir,
)
from engine.dockerfile.parse import Dockerfile, Stage
from engine.dockerfile.stages import PREDEFINED, SCRATCH, earlier

PLATFORM_NAMES = frozenset(
    f"{side}{part}" for side in ("TARGET", "BUILD") for part in ("PLATFORM", "OS", "ARCH", "VARIANT")
)
# What a name holds may be secret, unless it says where the secret is.
SECRET = re.compile(r"(?:^|_)(?:apikey|auth|credentials?|key|passw(?:or)?d|pword|secret|token)(?:$|_)", re.IGNORECASE)
NO_SECRET = re.compile(r"(?:^|_)(?:public|file|path|version|name|id)(?:$|_)", re.IGNORECASE)
# In every stage, whatever the base image sets.
ALWAYS_SET = frozenset({"PATH", "HOME", "HOSTNAME", "TERM", "PWD", "SHLVL"})

Check = Callable[[Dockerfile], Iterator[Fault]]


def lint(dockerfile: Dockerfile) -> list[Fault]:
    """Only for a text that parses; sorted by place."""
    skipped, strict = settings_of(dockerfile)
    if "all" in skipped:
        return []
    found = [fault for name, check in CHECKS.items() if name.lower() not in skipped for fault in check(dockerfile)]
    if strict:
        found = [replace(fault, warning=False) for fault in found]
    return sorted(found, key=lambda fault: (fault.place.line, fault.place.column))


def settings_of(dockerfile: Dockerfile) -> tuple[set[str], bool]:
    skipped: set[str] = set()
    strict = False
    for part in dockerfile.lexed.directives.get("check", "").split(";"):
        name, _, value = part.strip().partition("=")
        if name.strip().lower() == "skip":
            skipped |= {word.strip().lower() for word in value.split(",")}
        elif name.strip().lower() == "error":
            strict = value.strip().lower() == "true"
    return skipped, strict


def told(name: str, message: str, place: Place, hint: str = "") -> Fault:
    code = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "-", name).lower()
    return Fault(code, message, place, hint, warning=True)


def each(dockerfile: Dockerfile) -> Iterator[tuple[Stage, Instruction]]:
    for stage in dockerfile.stages:
        for instruction in stage.instructions:
            yield stage, instruction


# --- one function for each check
def consistent_casing(dockerfile: Dockerfile) -> Iterator[Fault]:
    words = [(line.text.split(None, 1)[0], line.place(0)) for line in dockerfile.lexed.lines]
    upper = sum(word.isupper() for word, _ in words)
    wanted = "uppercase" if upper * 2 >= len(words) else "lowercase"
    for word, place in words:
        right = word.upper() if wanted == "uppercase" else word.lower()
        if word != right:
            message = f"command '{word}' should match the case of the command majority ({wanted})"
            yield told("ConsistentInstructionCasing", message, place)


def from_as_casing(dockerfile: Dockerfile) -> Iterator[Fault]:
    for stage in dockerfile.stages:
        words = stage.head.said.source.split()
        if stage.name and words[-2].isupper() != words[0].isupper():
            yield told(
                "FromAsCasing", f"'{words[-2]}' and '{words[0]}' keywords' casing do not match", stage.head.said.place
            )


def stage_name_casing(dockerfile: Dockerfile) -> Iterator[Fault]:
    for stage in dockerfile.stages:
        if stage.name and (said := stage.head.said.source.split()[-1]) != stage.name:
            yield told("StageNameCasing", f"stage name '{said}' should be lowercase", stage.head.said.place)


def json_arguments(dockerfile: Dockerfile) -> Iterator[Fault]:
    for stage in dockerfile.stages:
        own_shell = any(isinstance(instruction, Shell) for instruction in stage.instructions)
        for instruction in stage.instructions:
            if isinstance(instruction, Cmd | Entrypoint) and instruction.command.shell and not own_shell:
                word = instruction.said.source.split()[0].upper()
                message = f"JSON arguments recommended for {word} to prevent unintended behavior related to OS signals"
                yield told(
                    "JSONArgsRecommended", message, instruction.said.place, f'write {word} ["program", "argument"]'
                )


def maintainer(dockerfile: Dockerfile) -> Iterator[Fault]:
    for _, instruction in each(dockerfile):
        if isinstance(instruction, Maintainer):
            message = "Maintainer instruction is deprecated in favor of using label"
            hint = "write LABEL org.opencontainers.image.authors=…"
            yield told("MaintainerDeprecated", message, instruction.said.place, hint)


def workdir_relative(dockerfile: Dockerfile) -> Iterator[Fault]:
    for stage in dockerfile.stages:
        known = earlier(dockerfile, stage, stage.head.base, numbers=False) is not None
        for instruction in stage.instructions:
            if isinstance(instruction, Workdir):
                path = instruction.path.strip("\"'")
                if not known and not path.startswith(("/", "$")):
                    message = f'relative workdir "{path}" can have unexpected results if the base image changes'
                    yield told("WorkdirRelativePath", message, instruction.said.place)
                known = True


def multiple_instructions(dockerfile: Dockerfile) -> Iterator[Fault]:
    for stage in dockerfile.stages:
        for kind in (Cmd, Entrypoint, Healthcheck):
            for instruction in [found for found in stage.instructions if isinstance(found, kind)][:-1]:
                word = instruction.said.source.split()[0].upper()
                message = f"multiple {word} instructions should not be used in the same stage: only the last one counts"
                yield told("MultipleInstructionsDisallowed", message, instruction.said.place)


def legacy_pairs(dockerfile: Dockerfile) -> Iterator[Fault]:
    for _, instruction in each(dockerfile):
        if isinstance(instruction, Env | Label) and instruction.old:
            word = instruction.said.source.split()[0].upper()
            message = f'"{word} key=value" should be used instead of legacy "{word} key value" format'
            yield told("LegacyKeyValueFormat", message, instruction.said.place)


def redundant_platform(dockerfile: Dockerfile) -> Iterator[Fault]:
    for stage in dockerfile.stages:
        if stage.head.platform in ("$TARGETPLATFORM", "${TARGETPLATFORM}"):
            message = f"setting platform to predefined {stage.head.platform} in FROM is redundant: it is the default"
            yield told("RedundantTargetPlatform", message, stage.head.said.place)
        elif stage.head.platform and "$" not in stage.head.platform:
            message = f'FROM --platform flag should not use constant value "{stage.head.platform}"'
            yield told("FromPlatformFlagConstDisallowed", message, stage.head.said.place)


def secrets_in_image(dockerfile: Dockerfile) -> Iterator[Fault]:
    for _, instruction in each(dockerfile):
        if isinstance(instruction, Arg | Env):
            word = "ARG" if isinstance(instruction, Arg) else "ENV"
            for name, _value in instruction.values:
                if SECRET.search(name) and not NO_SECRET.search(name):
                    message = f'do not use ARG or ENV instructions for sensitive data ({word} "{name}")'
                    hint = "it can be read in the image: use RUN --mount=type=secret"
                    yield told("SecretsUsedInArgOrEnv", message, instruction.said.place, hint)


def undefined_in_from(dockerfile: Dockerfile) -> Iterator[Fault]:
    known = {name for argument in dockerfile.arguments for name, _ in argument.values} | PLATFORM_NAMES
    for stage in dockerfile.stages:
        for word in (stage.head.base, stage.head.platform):
            for name in sorted(used_in(word, dockerfile.escape) - known):
                message = f"FROM argument '{name}' is not declared"
                hint = f"declare ARG {name} before the first FROM"
                yield told("UndefinedArgInFrom", message, stage.head.said.place, hint)


def undefined_variables(dockerfile: Dockerfile) -> Iterator[Fault]:
    """Only where the base sets nothing that we can't see: scratch, and stages upon such."""
    seen: dict[int, set[str]] = {}
    for stage in dockerfile.stages:
        base = earlier(dockerfile, stage, stage.head.base, numbers=False)
        if stage.head.base == SCRATCH:
            known = set(ALWAYS_SET)
        elif base is not None and base.number in seen:
            known = set(seen[base.number])
        else:
            continue
        for instruction in stage.instructions:
            for word in words_of(instruction):
                for name in sorted(used_in(word, dockerfile.escape) - known - PREDEFINED):
                    yield told("UndefinedVar", f"usage of undefined variable '${name}'", instruction.said.place)
            if isinstance(instruction, Arg | Env):
                known |= {name for name, _ in instruction.values}
        seen[stage.number] = known


def words_of(instruction: Instruction) -> Iterator[str]:
    """The raw words of an instruction in which variables count."""
    match instruction:
        case Env() | Label():
            yield from (value for _, value in instruction.values)
        case Arg():
            yield from (value for _, value in instruction.values if value)
        case Copy():
            yield from (*instruction.sources, instruction.destination, instruction.chown, instruction.chmod)
        case Workdir():
            yield instruction.path
        case User():
            yield instruction.user
        case Volume():
            yield from instruction.paths
        case Expose():
            yield from instruction.ports
        case Run():
            for mount in instruction.mounts:
                yield from (value for _, value in mount.options if value)
        case _:
            return


def expose_form(dockerfile: Dockerfile) -> Iterator[Fault]:
    for _, instruction in each(dockerfile):
        if not isinstance(instruction, Expose):
            continue
        for port in instruction.ports:
            kind = port.rpartition("/")[2] if "/" in port else ""
            if kind and "$" not in kind and kind != kind.lower():
                yield told(
                    "ExposeProtoCasing", f"defined protocol '{port}' should be lowercase", instruction.said.place
                )
            if ":" in port and "$" not in port:
                message = f"EXPOSE should not define an IP address or host port: '{port}'"
                yield told("ExposeInvalidFormat", message, instruction.said.place)


CHECKS: dict[str, Check] = {
    "ConsistentInstructionCasing": consistent_casing,
    "FromAsCasing": from_as_casing,
    "StageNameCasing": stage_name_casing,
    "JSONArgsRecommended": json_arguments,
    "MaintainerDeprecated": maintainer,
    "WorkdirRelativePath": workdir_relative,
    "MultipleInstructionsDisallowed": multiple_instructions,
    "LegacyKeyValueFormat": legacy_pairs,
    "RedundantTargetPlatform": redundant_platform,
    "SecretsUsedInArgOrEnv": secrets_in_image,
    "UndefinedArgInFrom": undefined_in_from,
    "UndefinedVar": undefined_variables,
    "ExposeProtoCasing": expose_form,
}
