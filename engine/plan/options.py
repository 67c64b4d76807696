"""What the caller wants done with the project: the flags of `up` that a plan depends on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from engine.plan.desired import NOTHING

NO_BASES: Mapping[str, Sequence[str]] = MappingProxyType({})


def unsealed(value: str) -> str:
    return value


class PlanOptions(NamedTuple):
    """`services` empty means all of the project. `pull` overrides every pull policy, `scale` the replicas.

    `seal` makes the digest under which a sensitive value is recorded; `contents` maps the host path of a config, a
    secret or a read-only bind to the digest of its content; `profiles` holds seccomp profiles by path;
    `verified` the ids of images that were seen to be signed as an entry of `images:` asks for;
    `image_keys` the key of what each entry of `images:` is made from; `image_bases` the entries that a build (by its
    entry's name, or `service:` and the service's) is made on. `now` is the time for pull policies, in Unix
    seconds. `applied` is what releases last applied to fields that can change in place, by container id.
    `images_settled` says that images were pulled and built just now: none is
    asked for again, and no provider. Without `providers` none is asked either; `provided` are the variables that they
    gave, by the service that depends on them. `unseen`: what only the host has, such as the variables of its secrets,
    isn't needed, since nothing will be made by this plan.
    """

    services: tuple[str, ...] = ()
    scale: Mapping[str, int] = NOTHING
    deps: bool = True
    start: bool = True
    build: bool | None = None
    pull: str | None = None
    force_recreate: bool = False
    always_recreate_deps: bool = False
    recreate: bool = True
    renew_anonymous_volumes: bool = False
    remove_orphans: bool = False
    rerun: frozenset[str] = frozenset()
    stop_seconds: float | None = None
    images_settled: bool = False
    providers: bool = True
    separator: str = "-"
    now: float = 0.0
    contents: Mapping[str, str | None] = NOTHING
    profiles: Mapping[str, str] = NOTHING
    image_keys: Mapping[str, str] = NOTHING
    verified: Mapping[str, frozenset[str]] = NOTHING
    applied: Mapping[str, Mapping[str, Any]] = NOTHING
    image_bases: Mapping[str, Sequence[str]] = NO_BASES
    provided: Mapping[str, Mapping[str, str]] = NOTHING
    seal: Callable[[str], str] = unsealed
    unseen: bool = False
