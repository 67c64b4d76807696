"""A Dockerfile's text → global ARGs, stages and faults. Everything wrong is found, with its place; nothing is built.

Source: Dockerfile reference; BuildKit's frontend where the reference is silent.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from engine.dockerfile.faults import DockerfileError, Fault, Place
from engine.dockerfile.instructions import Arg, From, Instruction, Onbuild
from engine.dockerfile.lex import Lexed, Line, lex
from engine.dockerfile.reading import KEYWORDS, Reader, Wrong

STAGE_NAME = re.compile(r"[a-z][a-z0-9._-]*", re.ASCII)
# Names that would mean something else where a stage's name is expected.
RESERVED_STAGES = ("scratch", "context")


@dataclass(slots=True)
class Stage:
    """`number` counts from 0. `comment` is what stands right above its FROM."""

    number: int
    head: From
    instructions: list[Instruction] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.head.name


@dataclass(slots=True)
class Dockerfile:
    """`arguments` stand before the first FROM. `faults` are errors and warnings of the text's form."""

    lexed: Lexed
    arguments: list[Arg] = field(default_factory=list)
    stages: list[Stage] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)

    @property
    def escape(self) -> str:
        return self.lexed.escape

    def stage(self, word: str) -> Stage | None:
        """By name (letters' case doesn't count; the last of that name) or number."""
        for stage in reversed(self.stages):
            if stage.name and stage.name == word.lower():
                return stage
        if word.isdecimal() and int(word) < len(self.stages):
            return self.stages[int(word)]
        return None


def parse(text: str) -> Dockerfile:
    """Never raises: look at `faults`, or use `parse_strictly`."""
    lexed = lex(text)
    found = Dockerfile(lexed, faults=list(lexed.faults))
    for line in lexed.lines:
        for gap in line.gaps:
            message = "an empty line within a continued instruction: it will be an error one day"
            found.faults.append(Fault("empty-continuation", message, Place(gap, 1), warning=True))
        try:
            place_instruction(found, Reader(line, lexed.escape).read())
        except Wrong as wrong:
            place = line.place(wrong.offset)
            found.faults.append(Fault(wrong.code, str(wrong), place, wrong.hint))
    if not lexed.lines:
        found.faults.append(Fault("empty", "the Dockerfile cannot be empty: it needs a FROM", Place(1, 1)))
    elif not found.stages and not any(not fault.warning for fault in found.faults):
        place = Place(lexed.lines[-1].start, 1)
        found.faults.append(Fault("no-stage", "no build stage in the Dockerfile: it needs a FROM", place))
    found.faults.sort(key=lambda fault: (fault.place.line, fault.place.column))
    return found


def parse_strictly(text: str) -> Dockerfile:
    """Raises DockerfileError where there is any error; warnings pass."""
    found = parse(text)
    if errors := [fault for fault in found.faults if not fault.warning]:
        raise DockerfileError(errors)
    return found


def parse_triggers(texts: Sequence[str], escape: str = "\\") -> list[Instruction]:
    """A base image's ONBUILD triggers as instructions of the stage. Raises DockerfileError."""
    found: list[Instruction] = []
    for text in texts:
        lexed = lex(text)
        faults = list(lexed.faults)
        for line in lexed.lines:
            try:
                instruction = Reader(line, escape).read()
            except Wrong as wrong:
                faults.append(Fault(wrong.code, f"ONBUILD trigger: {wrong}", line.place(wrong.offset), wrong.hint))
                continue
            if isinstance(instruction, From | Onbuild):
                faults.append(
                    Fault("onbuild", f"{text.split()[0].upper()} isn't allowed as an ONBUILD trigger", Place(1, 1))
                )
            else:
                found.append(instruction)
        if faults:
            raise DockerfileError(faults)
    return found


def place_instruction(found: Dockerfile, instruction: Instruction | From) -> None:
    if isinstance(instruction, From):
        check_stage_name(found, instruction)
        found.stages.append(Stage(len(found.stages), instruction))
    elif found.stages:
        found.stages[-1].instructions.append(instruction)
    elif isinstance(instruction, Arg):
        found.arguments.append(instruction)
    else:
        word = instruction.said.source.split()[0].upper()
        message = f"no build stage in current context: {word} must come after a FROM"
        found.faults.append(Fault("no-stage", message, instruction.said.place))


def check_stage_name(found: Dockerfile, head: From) -> None:
    if not head.name:
        return
    if not STAGE_NAME.fullmatch(head.name):
        message = f'invalid name for build stage: "{head.name}", name can\'t start with a number or contain symbols'
        found.faults.append(Fault("stage-name", message, head.said.place))
    elif head.name in RESERVED_STAGES:
        message = f'the stage name "{head.name}" is reserved'
        found.faults.append(Fault("stage-name", message, head.said.place, warning=True))
    elif any(stage.name == head.name for stage in found.stages):
        message = f'duplicate name "{head.name}": what asks for it gets the last one'
        found.faults.append(Fault("duplicate-stage", message, head.said.place, warning=True))


__all__ = ["KEYWORDS", "Dockerfile", "Line", "Stage", "parse", "parse_strictly", "parse_triggers"]
