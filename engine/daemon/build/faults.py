"""How a build fails: in the words that Docker's clients look for, with the code of the command that failed."""

from __future__ import annotations

from engine.api.errors import EngineError, InvalidArgument
from engine.dockerfile.faults import DockerfileError


class StepFault(EngineError):
    """A step that can't be done. `code` is the command's exit code, 0 where there was none."""

    def __init__(self, message: str, code: int = 0) -> None:
        super().__init__(message)
        self.code = code


def refusal(error: DockerfileError, name: str) -> InvalidArgument:
    """The faults of a Dockerfile, all of them; the first line is what Docker's builder would say."""
    if name.startswith(".dockerfile."):
        name = "Dockerfile"  # one that a client brought under a name of its own making
    first = error.faults[0]
    hint = f" ({first.hint})" if first.hint else ""
    lines = [f"dockerfile parse error line {first.place.line}: {first.message}{hint}"]
    return InvalidArgument("\n".join([*lines, *(fault.told(name) for fault in error.faults)]))
