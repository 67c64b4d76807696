"""A plan as a comment on a pull request: a heading that counts, a diff block that colours itself, reasons in full."""

from __future__ import annotations

from engine.plan.render.text import MARKS, summary_line
from engine.plan.render.value import change_line
from engine.plan.steps import Plan, Step

# In a ```diff block the first sign of a line colours it: + green, - red, ! orange.
SIGNS = {"create": "+", "update": "!", "replace": "!", "destroy": "-"}


def render_markdown(plan: Plan) -> str:
    """Markdown, ending without a newline."""
    title = f"### Plan for `{plan.project}`"
    if plan.empty:
        return f"{title}\n\nNothing to change: the host is as the spec says."
    body = "\n".join(line for step in plan.steps for line in step_lines(step))
    # A value may hold backticks: the fence must be longer than any run of them.
    fence = "`" * max(3, longest_run(body, "`") + 1)
    parts = [title, "", summary_line(plan), "", f"{fence}diff", body, fence]
    if plan.warnings:
        parts += ["", *(f"- :warning: {one_line(str(warning))}" for warning in plan.warnings)]
    return "\n".join(parts)


def step_lines(step: Step) -> list[str]:
    sign = SIGNS.get(step.word, " ")
    mark = MARKS.get(step.word, ">")
    word = "" if step.word in MARKS else f"{step.word}: "
    head = f"{sign} {mark} {step.address}  {word}{one_line(step.because)}"
    return [head, *(f"{sign}       {one_line(change_line(change))}" for change in step.fields)]


def one_line(text: str) -> str:
    return " ".join(text.splitlines())


def longest_run(text: str, sign: str) -> int:
    longest = here = 0
    for character in text:
        here = here + 1 if character == sign else 0
        longest = max(longest, here)
    return longest
