"""What went wrong, at the end of a run: the root causes with their evidence and places, and what they held up."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator

from engine.cli.render.causes import LOST, Cause, cause_of
from engine.cli.render.diagnostics import render_text
from engine.graph.address import Address, Kind
from engine.plan.steps import KillContainer, PauseContainer, PullImage, UnpauseContainer
from engine.reconcile.outcome import Outcome, Report, Status
from specs.models import Project
from specs.source import Diagnostic, Severity, Span

SECTIONS = {Kind.SERVICE: "services", Kind.NETWORK: "networks", Kind.VOLUME: "volumes", Kind.IMAGE: "images"}
Spans = Callable[..., Span | None]


def render_failures(report: Report, span_of: Spans, project: Project, given: Collection[str] = ()) -> str:
    """Text without a newline at its end; for a report in which something failed or was skipped. `given` are the keys of
    a service that the command line has set: no place in the spec is at fault for them.
    """
    lost = [o for o in report.failed if cause_of(o.step.word, o.reason) is LOST]
    failed = [o for o in report.failed if o not in lost]
    lines = [line for outcome in failed for line in failure_lines(outcome, span_of, project, given)]
    if lost:
        # one fault, however many steps were under way: and none of theirs
        lines.append(render_text([Diagnostic(Severity.ERROR, LOST.code, lost[0].reason, hint=LOST.hint)]))
    named = {o.step.address for o in failed}
    late = (o.step.address for o in report.outcomes if o in lost or o.status is Status.SKIPPED)
    names = ", ".join(dict.fromkeys(str(address) for address in late if address not in named))
    if names:
        why = "because of that" if report.failed else "interrupted"
        lines.append(f"not reached, {why}: {names}")
    return "\n".join(lines)


def failure_lines(outcome: Outcome, span_of: Spans, project: Project, given: Collection[str]) -> Iterator[str]:
    step = outcome.step
    cause = cause_of(step.word, outcome.reason)
    span = None
    if not is_of_the_command_line(outcome, cause, given):
        span = next(filter(None, (span_of(*path) for path in places(outcome, cause, project))), None)
    # what comes after the first line shows what happened: a build's last words
    reason, *shown = outcome.reason.strip().splitlines() or [""]
    yield render_text([Diagnostic(Severity.ERROR, cause.code, f"{step.address}: {reason}", span, cause.hint)])
    for line in (*shown, *outcome.evidence):
        yield f"    {line}".rstrip()


def is_of_the_command_line(outcome: Outcome, cause: Cause, given: Collection[str]) -> bool:
    """Whether what was refused came with the command, and not from the spec."""
    if isinstance(outcome.step.action, KillContainer | PauseContainer | UnpauseContainer):
        return True
    return any(key.partition(".")[0] in given for key in cause.keys)


def places(outcome: Outcome, cause: Cause, project: Project) -> Iterator[tuple[str, ...]]:
    """Paths in the spec that have to do with the failure, the smallest first."""
    address, action = outcome.step.address, outcome.step.action
    if isinstance(action, PullImage):
        # what is pulled for a service bears the reference as its name
        yield ("images", address.name, "pull")
        yield from (("services", key, "image") for key, s in project.services.items() if s.image == action.reference)
    section = SECTIONS.get(address.kind)
    if section is None:
        return
    paths = {key: (section, address.name, *key.split(".")) for key in cause.keys}
    for key, path in paths.items():
        yield from ((*path, number) for number in items(project, address, key, outcome.reason))
    yield from paths.values()
    yield (section, address.name)
    if address.kind is Kind.IMAGE:
        # a service's own build bears the service's name
        yield ("services", address.name, "build")


def items(project: Project, address: Address, key: str, reason: str) -> Iterator[str]:
    """Which items of a list the message speaks of: the port or the path that it names."""
    service = project.services.get(address.name) if address.kind is Kind.SERVICE else None
    if service is None:
        return
    words = set(re.split(r"[^\w./-]+", reason))
    if key == "ports":
        named = [{p.published or ""} for p in service.ports or ()]
    elif key == "volumes":
        named = [{m.source or "", m.target or ""} for m in service.volumes or ()]
    elif key in {"secrets", "configs"}:
        files = getattr(project, key)
        named = [{getattr(files.get(r.source or ""), "file", "") or ""} for r in getattr(service, key) or ()]
    else:
        return
    yield from (str(number) for number, texts in enumerate(named) if (texts - {""}) & words)
