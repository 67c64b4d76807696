"""`develop.watch`: from changed paths to what each service needs. Pure.

Patterns are .dockerignore's, relative to the rule's path; the build context's own ignore file counts too.
Source: Compose Develop Specification, watch.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from engine.api.errors import InvalidArgument
from engine.dockerfile.ignore import Ignore, parse
from engine.plan.desired import Hook
from engine.plan.lower.containers import hook
from specs.models import Project, Service
from specs.models.service import WatchRule

SYNCS = frozenset({"sync", "sync+restart", "sync+exec"})
ACTIONS = (*sorted(SYNCS), "rebuild", "restart")
NOTHING = Ignore()
# What editors and version control leave and take away again all the time.
EPHEMERAL = parse(
    """
    **/.git
    **/.idea
    **/*~
    **/.*.sw[opx]
    **/4913
    **/.#*
    **/*___jb_*___
    **/.DS_Store
    """
)


@dataclass(frozen=True, slots=True)
class Rule:
    """One entry of a service's `develop.watch`. `base` is where the build context's `context_ignore` starts."""

    service: str
    action: str
    path: Path
    target: str = ""
    include: Ignore | None = None
    ignore: Ignore = NOTHING
    base: Path | None = None
    context_ignore: Ignore = NOTHING
    hook: Hook | None = None
    initial_sync: bool = False

    def relative(self, changed: Path) -> str | None:
        """The changed path as the rule's patterns see it; None where the rule has nothing to do with it."""
        if not changed.is_relative_to(self.path):
            return None
        below = changed.relative_to(self.path).as_posix()
        if below == ".":
            return below
        if self.ignore.excludes(below) or EPHEMERAL.excludes(below):
            return None
        if self.include is not None and not self.include.excludes(below):
            return None
        return None if self.hidden_from_build(changed) else below

    def hidden_from_build(self, changed: Path) -> bool:
        if self.base is None or not changed.is_relative_to(self.base):
            return False
        return self.context_ignore.excludes(changed.relative_to(self.base).as_posix())

    def in_container(self, below: str) -> str:
        return posixpath.normpath(PurePosixPath("/", self.target, below).as_posix())


@dataclass(slots=True)
class Work:
    """What one service needs: `files` maps paths in the container to those here, which may be gone by now."""

    rebuild: bool = False
    restart: bool = False
    files: dict[str, Path] = field(default_factory=dict)
    hooks: list[Hook] = field(default_factory=list)


def work_of(rules: Iterable[Rule], changed: Iterable[Path]) -> dict[str, Work]:
    """By service. A rebuild takes everything else with it: the new image has the files, the new container starts."""
    found: dict[str, Work] = {}
    paths = sorted(set(changed))
    for rule in rules:
        matching = [(below, path) for path in paths if (below := rule.relative(path)) is not None]
        if not matching:
            continue
        work = found.setdefault(rule.service, Work())
        work.rebuild = work.rebuild or rule.action == "rebuild"
        work.restart = work.restart or rule.action in {"restart", "sync+restart"}
        if rule.action in SYNCS:
            work.files |= {rule.in_container(below): path for below, path in matching}
        if rule.hook is not None and rule.hook not in work.hooks:
            work.hooks.append(rule.hook)
    return {service: Work(rebuild=True) if work.rebuild else work for service, work in found.items()}


def rules_of(project: Project, keys: Iterable[str], context_ignores: Mapping[str, Ignore]) -> list[Rule]:
    """The rules of these services. `context_ignores` are the ignore files of build contexts, by service.

    Raises InvalidArgument for a rule that can't be followed.
    """
    return [
        rule_of(key, service, model, context_ignores.get(key))
        for key in keys
        if (service := project.services[key]).develop is not None
        for model in (service.develop.watch or () if service.develop else ())
    ]


def rule_of(key: str, service: Service, model: WatchRule, context_ignore: Ignore | None) -> Rule:
    place = f'service "{key}", watch rule of {model.path}'
    if model.action not in ACTIONS:
        raise InvalidArgument(f'{place}: there is no action "{model.action}": it takes {", ".join(ACTIONS)}')
    if model.action == "rebuild" and service.build is None:
        raise InvalidArgument(f"{place}: rebuild needs the service to have a build")
    if model.action in SYNCS and not model.target:
        raise InvalidArgument(f"{place}: {model.action} needs a target, the place in the container")
    if model.action == "sync+exec" and not model.exec_.command:
        raise InvalidArgument(f"{place}: sync+exec needs an exec with a command")
    context = service.build.context if service.build else None
    return Rule(
        service=key,
        action=model.action,
        path=Path(model.path),
        target=model.target or "",
        include=patterns(place, model.include) if model.include else None,
        ignore=patterns(place, model.ignore),
        base=Path(context) if context and context_ignore is not None else None,
        context_ignore=context_ignore or NOTHING,
        hook=hook(model.exec_) if model.action == "sync+exec" else None,
        initial_sync=bool(model.initial_sync) and model.action in SYNCS,
    )


def patterns(place: str, lines: Iterable[str] | None) -> Ignore:
    try:
        return parse("\n".join(lines or ()))
    except ValueError as error:
        raise InvalidArgument(f"{place}: {error}") from None
