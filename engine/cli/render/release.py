"""One release as a person reads it: who, when and why; each step with what became of it; what ran."""

from __future__ import annotations

from collections.abc import Iterator

from engine.cli.render.planned import planned
from engine.ledger.release import Json, Release, StepOutcome

SIGNS = {"done": "✔", "failed": "✘", "skipped": "-"}


def render_release(release: Release, when: str) -> str:
    """Text without a newline at its end. `when` is the time that it began, as the reader's clock shows it."""
    return "\n".join([*head(release, when), *steps(release), *images(release), *files(release)])


def head(release: Release, when: str) -> Iterator[str]:
    intent = release.intent
    what = f"rollback to release {intent.source}" if intent.source is not None else intent.kind
    took = "" if release.ended is None else f", {release.ended - release.began:.1f} s"
    yield f"release {release.number} of {release.key.project}: {what}, {release.state}"
    if release.reason:
        yield f"reason:  {release.reason}"
    yield f"when:    {when}{took}"
    yield f"by:      {intent.owner.user}@{intent.owner.host}: {intent.command}"
    if intent.commit is not None:
        yield f"commit:  {intent.commit} {intent.commit.subject}".rstrip()
    engine = intent.capabilities
    yield f"engine:  {engine.get('engine', '')} {engine.get('version', '')} ({release.key.engine})"


def steps(release: Release) -> Iterator[str]:
    ended = {(o.plan, o.step): o for o in release.outcomes}
    yield ""
    for place, plan in enumerate(release.plans):
        for step in plan["steps"]:
            yield from step_lines(step, ended.get((place, step["id"])))


def step_lines(step: Json, outcome: StepOutcome | None) -> Iterator[str]:
    sign = SIGNS.get(outcome.status, "?") if outcome else "?"
    first, *fields = planned(step)
    yield f"{sign} {first}"
    yield from fields
    if outcome is None:
        yield "        not known to have ended"
    elif outcome.reason:
        yield f"        {outcome.status}: {outcome.reason}"


def images(release: Release) -> Iterator[str]:
    if release.images:
        yield from ("", "images:")
        for key, pin in sorted(release.images.items()):
            yield f"  {key}  {pin.digests[0] if pin.digests else pin.id}"


def files(release: Release) -> Iterator[str]:
    if release.intent.contents:
        yield from ("", "files:")
        for path, content in sorted(release.intent.contents.items()):
            # an HMAC of a secret is nothing to look at
            yield f"  {path}  {'(sensitive)' if content.digest.startswith('hmac:') else content.digest[:19]}"
