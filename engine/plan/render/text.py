"""A plan as a terminal shows it: one line an object with its mark and reason, the fields beneath, then a count."""

from __future__ import annotations

from collections.abc import Iterable

from engine.plan.render.value import change_line
from engine.plan.steps import Plan, Step

MARKS = {"create": "+", "update": "~", "replace": "-/+", "destroy": "-"}
COLOURS = {"create": "32", "update": "33", "replace": "35", "destroy": "31"}
# What the last line counts, in its order and words; pulls, waits and hooks serve these and are counted after them.
COUNTED = (("create", "create"), ("update", "update"), ("replace", "replace"), ("destroy", "destroy"))
SERVING = (("pull", "pull"), ("build", "build"), ("push", "push"), ("run", "run"), ("wait", "wait"))


def render_text(plan: Plan, *, colour: bool = False) -> str:
    """The whole plan, ending without a newline."""
    if plan.empty:
        return f'Nothing to change: project "{plan.project}" is as its spec says.'
    width = max(len(str(step.address)) for step in plan.steps)
    lines = [line for step in plan.steps for line in step_lines(step, width, colour=colour)]
    return "\n".join([*lines, "", summary_line(plan)])


def step_lines(step: Step, width: int, *, colour: bool) -> Iterable[str]:
    mark = MARKS.get(step.word, ">")
    head = f"{mark:>3} {step.address!s:<{width}}"
    word = "" if step.word in MARKS else f"{step.word}: "
    yield f"{paint(head, COLOURS.get(step.word, '36'), colour=colour)}  {word}{step.because}"
    for change in step.fields:
        yield f"      {change_line(change)}"


def summary_line(plan: Plan) -> str:
    """`Plan: 3 to create, 0 to update, 1 to replace, 0 to destroy; 1 to pull, 2 to wait.`"""
    counts = plan.summary
    changes = ", ".join(f"{counts.get(word, 0)} to {text}" for word, text in COUNTED)
    serving = ", ".join(f"{counts[word]} to {text}" for word, text in SERVING if word in counts)
    return f"Plan: {changes}{'; ' + serving if serving else ''}."


def paint(text: str, code: str, *, colour: bool) -> str:
    return f"\x1b[{code}m{text}\x1b[0m" if colour else text
