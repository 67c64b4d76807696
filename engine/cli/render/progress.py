"""A running plan on stderr: live lines on a terminal, plain lines elsewhere, JSON for programs."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from typing import TextIO

from engine.api.errors import InvalidArgument
from engine.plan.steps import (
    CreateContainer,
    KillContainer,
    PauseContainer,
    RestartContainer,
    StartContainer,
    Step,
    StopContainer,
    UnpauseContainer,
)
from engine.reconcile.outcome import Outcome, Status

MODES = ("auto", "tty", "plain", "json", "quiet")
DONE_WORDS = {
    "create": "created",
    "update": "updated",
    "replace": "replaced",
    "destroy": "removed",
    "pull": "pulled",
    "build": "built",
    "push": "pushed",
    "run": "ran",
    "wait": "ready",
}
DOING_WORDS = {
    "create": "creating",
    "update": "updating",
    "replace": "replacing",
    "destroy": "removing",
    "pull": "pulling",
    "build": "building",
    "push": "pushing",
    "run": "running",
    "wait": "waiting",
}

# What a plan calls an update or a run, in the words of the commands that do just that.
VERBS: dict[type, tuple[str, str]] = {
    StartContainer: ("starting", "started"),
    RestartContainer: ("restarting", "restarted"),
    StopContainer: ("stopping", "stopped"),
    KillContainer: ("killing", "killed"),
    PauseContainer: ("pausing", "paused"),
    UnpauseContainer: ("unpausing", "unpaused"),
}
# Nobody's container is changed without a word of why, in the plan or out of it.
EXPLAINED = {"updated", "replaced"}


def make_progress(mode: str, ansi: str = "auto", stream: TextIO = sys.stderr) -> Quiet:
    """The renderer for `--progress` and `--ansi`; COMPOSE_PROGRESS stands in where the flag says auto."""
    if mode == "auto":
        mode = os.environ.get("COMPOSE_PROGRESS") or "auto"
    if mode not in MODES:
        raise InvalidArgument(f'--progress takes {", ".join(MODES)}, not "{mode}"')
    if mode == "auto":
        mode = "tty" if stream.isatty() and ansi != "never" and os.environ.get("TERM") != "dumb" else "plain"
    kinds = {"tty": Live, "json": Json, "quiet": Quiet}
    return kinds.get(mode, Plain)(stream)


def words(step: Step) -> tuple[str, str]:
    """What is said of a step under way, and of one that is done."""
    if isinstance(step.action, CreateContainer) and not step.address.replica:
        # a container of `run`: none of the service's own
        return f"creating {step.action.desired.name}", f"{step.action.desired.name} created"
    return VERBS.get(type(step.action)) or (DOING_WORDS[step.word], DONE_WORDS[step.word])


def done_line(outcome: Outcome) -> str:
    mark = {Status.DONE: "✔", Status.FAILED: "✘", Status.SKIPPED: "-"}[outcome.status]
    step = outcome.step
    if outcome.status is Status.DONE:
        _, word = words(step)
        because = f"  {step.because}" if word in EXPLAINED else ""
        return f" {mark} {step.address} {word}  {outcome.seconds:.1f}s{because}"
    if outcome.status is Status.FAILED:
        # why stands in the report at the end, with its place and what to do
        return f" {mark} {step.address} failed  {outcome.seconds:.1f}s"
    return f" {mark} {step.address} {outcome.status}: {outcome.reason}"


class Quiet:
    """Says nothing: the report of what failed comes from elsewhere."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def note(self, text: str) -> None:
        """Something about the whole run."""

    def started(self, step: Step) -> None:
        pass

    def line(self, step: Step, text: str, current: int | None = None, total: int | None = None) -> None:
        pass

    def finished(self, outcome: Outcome) -> None:
        pass


class Plain(Quiet):
    """One line when a step ends; a build's or pull's own lines as they come, without the bytes."""

    def note(self, text: str) -> None:
        print(text, file=self.stream, flush=True)

    def started(self, step: Step) -> None:
        if step.word in {"pull", "build", "push", "wait"}:
            print(f" … {step.address} {words(step)[0]}", file=self.stream, flush=True)

    def line(self, step: Step, text: str, current: int | None = None, total: int | None = None) -> None:
        if current is None and text:
            print(f"   {step.address}: {text}", file=self.stream, flush=True)

    def finished(self, outcome: Outcome) -> None:
        print(done_line(outcome), file=self.stream, flush=True)


class Json(Quiet):
    """One object a line: `{"id", "address", "action", "status", "text"?, "current"?, "total"?, "seconds"?}`."""

    def say(self, step: Step, status: str, **more: object) -> None:
        body = {"id": step.id, "address": str(step.address), "action": step.word, "status": status, **more}
        print(json.dumps(body), file=self.stream, flush=True)

    def started(self, step: Step) -> None:
        self.say(step, "started")

    def line(self, step: Step, text: str, current: int | None = None, total: int | None = None) -> None:
        self.say(step, "running", text=text, current=current, total=total)

    def finished(self, outcome: Outcome) -> None:
        more = {"reason": outcome.reason} if outcome.reason else {}
        self.say(outcome.step, str(outcome.status), seconds=round(outcome.seconds, 3), **more)


class Live(Plain):
    """What runs stands in a block of lines at the bottom and moves up for good when it ends."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self.running: dict[int, tuple[Step, float, str]] = {}
        self.drawn = 0

    def started(self, step: Step) -> None:
        self.running[step.id] = (step, time.monotonic(), "")
        self.draw()

    def line(self, step: Step, text: str, current: int | None = None, total: int | None = None) -> None:
        if step.id in self.running and text:
            amount = f" {current / 1e6:.1f}/{total / 1e6:.1f} MB" if current and total else ""
            self.running[step.id] = (step, self.running[step.id][1], f"{text}{amount}")
            self.draw()

    def finished(self, outcome: Outcome) -> None:
        self.running.pop(outcome.step.id, None)
        self.draw(done_line(outcome))

    def draw(self, above: str | None = None) -> None:
        width, height = shutil.get_terminal_size()
        up = f"\x1b[{self.drawn}A" if self.drawn else ""
        out = [f"{up}\r\x1b[J"]
        if above is not None:
            out.append(f"{above[: width * 3]}\n")
        shown = list(self.running.values())[-max(1, height - 3) :]
        for step, since, text in shown:
            elapsed = time.monotonic() - since
            line = f" … {step.address} {words(step)[0]} {elapsed:.1f}s  {' '.join(text.split())}"
            out.append(f"{line[: width - 1]}\n")
        self.drawn = len(shown)
        self.stream.write("".join(out))
        self.stream.flush()
