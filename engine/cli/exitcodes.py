"""Exit codes: what each number means, for whom. Commands take theirs from here; the manual's table is made from it."""

from __future__ import annotations

from dataclasses import dataclass

DONE = 0
ERROR = 1
# plan --detailed-exitcode
PENDING = 2
# validate
CLEAN, FINDINGS, UNREADABLE = 0, 1, 2
# diff, drift
SAME, DIFFERS, NO_ANSWER = 0, 1, 2
# up --rollback-on-failure
ROLLED_BACK = 3
# apply
STALE = 4
# whatever writes to a project
LOCKED = 5
USAGE = 64
INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a code says when these commands end with it; no command: all of them."""

    code: int
    command: str
    meaning: str


MEANINGS: tuple[Meaning, ...] = (
    Meaning(DONE, "", "done"),
    Meaning(ERROR, "", "an error, told on stderr"),
    Meaning(USAGE, "", "usage: an unknown flag, a value that can't be meant"),
    Meaning(INTERRUPTED, "", "interrupted"),
    Meaning(CLEAN, "validate", "clean, or nothing at or above `--fail-on`"),
    Meaning(FINDINGS, "validate", "findings at or above `--fail-on`"),
    Meaning(UNREADABLE, "validate", "a file could not be read"),
    Meaning(CLEAN, "system check", "the embedded engine's state is sound, or was mended"),
    Meaning(FINDINGS, "system check", "findings are left"),
    Meaning(CLEAN, "agent validate", "clean, or only warnings"),
    Meaning(FINDINGS, "agent validate", "something is wrong with the settings"),
    Meaning(PENDING, "plan --detailed-exitcode", "changes are pending"),
    Meaning(SAME, "diff", "no difference"),
    Meaning(DIFFERS, "diff", "differences"),
    Meaning(NO_ANSWER, "diff", "an error: whether there are differences is not known"),
    Meaning(SAME, "drift", "no drift"),
    Meaning(DIFFERS, "drift", "drift"),
    Meaning(NO_ANSWER, "drift", "an error: whether there is drift is not known"),
    Meaning(ROLLED_BACK, "up --rollback-on-failure", "it failed, and the last good release stands again"),
    Meaning(LOCKED, "", "the project's lock was not had in time: another command is writing to it"),
    Meaning(STALE, "apply", "the saved plan is stale: the host has moved since, and nothing was done"),
)
# Those whose exit code is that of the container.
PASSING = ("exec", "run", "attach", "wait", "up --exit-code-from", "up --abort-on-container-exit")
