"""What went wrong, at the end of a run: the root causes with their evidence and places, and what they held up."""

from __future__ import annotations

from collections.abc import Callable

from engine.graph.address import Address, Kind
from engine.reconcile.outcome import Outcome, Report
from specs.source import Span

SECTIONS = {Kind.SERVICE: "services", Kind.NETWORK: "networks", Kind.VOLUME: "volumes", Kind.IMAGE: "images"}
# A word of the failure, and the key of the service that has to do with it.
PLACES = (("port is already allocated", "ports"), ("address already in use", "ports"), ("health", "healthcheck"))
Spans = Callable[..., Span | None]


def render_failures(report: Report, span_of: Spans) -> str:
    """Text without a newline at its end; for a report in which something failed or was skipped."""
    lines = [line for outcome in report.failed for line in failure_lines(outcome, span_of)]
    skipped = report.skipped
    if skipped:
        named = {o.step.address for o in report.failed}
        names = ", ".join(dict.fromkeys(str(o.step.address) for o in skipped if o.step.address not in named))
        why = "interrupted" if not report.failed else "because of that"
        if names:
            lines.append(f"not reached, {why}: {names}")
    return "\n".join(lines)


def failure_lines(outcome: Outcome, span_of: Spans) -> list[str]:
    address = outcome.step.address
    span = place_of(address, outcome.reason, span_of)
    place = f"{span}: " if span else ""
    head = f"{place}error[{outcome.step.word}-failed]: {address}: {outcome.reason}"
    return [head, *(f"    {line}" for line in outcome.evidence)]


def place_of(address: Address, reason: str, span_of: Spans) -> Span | None:
    """The smallest place in the spec that has to do with the failure."""
    section = SECTIONS.get(address.kind)
    if section is None:
        return None
    if address.kind is Kind.SERVICE:
        for word, key in (
            ("port is already allocated", "ports"),
            ("address already in use", "ports"),
            ("health", "healthcheck"),
        ):
            if word in reason and (span := span_of(section, address.name, key)):
                return span
    span = span_of(section, address.name)
    if span is None and address.kind is Kind.IMAGE:
        # a service's own build bears the service's name
        span = span_of("services", address.name, "build")
    return span
