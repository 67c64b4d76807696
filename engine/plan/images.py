"""Which images must be pulled or built before the services that run them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from engine.api.errors import InvalidArgument
from engine.graph.address import Address, Kind
from engine.graph.build import image_of
from engine.graph.dockerfiles import SERVICE
from engine.oci.reference import Reference
from engine.plan.draft import Draft
from engine.plan.lower.naming import CONTENT, Naming
from engine.plan.observed import Observed
from engine.plan.options import PlanOptions
from engine.plan.steps import BuildImage, PullImage, PushImage
from specs.models import Image, Project, Service

AGES = {"daily": 86_400.0, "weekly": 604_800.0}
EVERY = re.compile(r"every_(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")
CHANGED = "what it is made from has changed"


def plan_images(
    draft: Draft, project: Project, keys: Iterable[str], observed: Observed, options: PlanOptions
) -> set[Address]:
    """Add the steps for the images of `keys`, each image once; return those that will be others than they are now."""
    renewed: set[Address] = set()
    if options.images_settled:
        return renewed
    for key in keys:
        address = image_of(project, key, project.services[key])
        if not draft.by_address.get(address) and plan_image_of(draft, project, key, observed, options):
            renewed.add(address)
    return renewed


def plan_image_of(
    draft: Draft, project: Project, key: str, observed: Observed, options: PlanOptions, path: tuple[str, ...] = ()
) -> bool:
    """A service's image; True where it stands, and is made of something else now."""
    service = project.services[key]
    if service.provider is not None:
        return False
    if service.image in project.images:
        return plan_entry(draft, project, service.image, observed, options)
    owner, address = f"{SERVICE}{key}", image_of(project, key, service)
    reference = Naming(project.name, options.separator).image(project, service, key)
    needs: list[int] = []
    anew = ""
    if service.build is not None:
        needs, anew = plan_bases(draft, project, owner, observed, options, path or (owner,))
        if has_other_content(observed.images.get(reference), options.image_keys.get(owner)):
            anew = CHANGED
    plan_service_image(draft, address, service, reference, observed, options, needs=needs, anew=anew)
    return bool(anew and draft.by_address.get(address))


def plan_bases(
    draft: Draft, project: Project, owner: str, observed: Observed, options: PlanOptions, path: tuple[str, ...]
) -> tuple[list[int], str]:
    """The steps of the images that a build is made on, and why they make it be built again; empty for no reason."""
    needs: list[int] = []
    anew = ""
    for name in options.image_bases.get(owner, ()):
        if name in path:
            raise InvalidArgument(f"these images are made of each other: {' → '.join([*path, name])}")
        key = name.removeprefix(SERVICE) if name.startswith(SERVICE) else ""
        address = image_of(project, key, project.services[key]) if key else Address(Kind.IMAGE, name)
        if not draft.by_address.get(address) and key:
            plan_image_of(draft, project, key, observed, options, (*path, name))
        elif not draft.by_address.get(address):
            plan_entry(draft, project, name, observed, options, (*path, name))
        steps = draft.on(address)
        needs += steps
        if steps and not anew and observed.images.get(reference_of(project, name, options)) is not None:
            anew = f"image {name}, which it is made on, is renewed"
    return needs, anew


def reference_of(project: Project, name: str, options: PlanOptions) -> str:
    """The local reference of an entry of `images:`, or of `service:` and a service's name."""
    if not name.startswith(SERVICE):
        return project.images[name].reference
    key = name.removeprefix(SERVICE)
    return Naming(project.name, options.separator).image(project, project.services[key], key)


def plan_service_image(
    draft: Draft,
    address: Address,
    service: Service,
    reference: str,
    observed: Observed,
    options: PlanOptions,
    *,
    needs: Sequence[int] = (),
    anew: str = "",
) -> None:
    present = observed.images.get(reference)
    policy = options.pull or service.pull_policy or "missing"
    if service.build is not None:
        why = build_reason(present, policy, options) or (anew if options.build is not False else None)
        if why:
            draft.add(address, BuildImage(address.name, reference, service=True), why, needs=needs)
        return
    why = pull_reason(present, policy, options.now)
    if why:
        draft.add(address, PullImage(reference, service.platform or ""), why)


def plan_entry(
    draft: Draft, project: Project, name: str, observed: Observed, options: PlanOptions, path: tuple[str, ...] = ()
) -> bool:
    """One entry of `images:`; True where it stands, and is built from something else now."""
    image: Image = project.images[name]
    address, present = Address(Kind.IMAGE, name), observed.images.get(image.reference)
    if image.pull is not None:
        why = pull_reason(present, options.pull or image.policy or "missing", options.now)
        why = why or unverified(name, image, present, options)
        if why:
            draft.add(address, PullImage(image.pull, key=key_of(image)), why)
        return False
    needs, anew = plan_bases(draft, project, name, observed, options, path or (name,))
    why = build_reason(present, options.pull or image.policy or "missing", options)
    changed = has_other_content(present, options.image_keys.get(name))
    if changed and options.build is not False:
        why = why or CHANGED
    if anew and options.build is not False:
        why, changed = why or anew, True
    if why:
        draft.add(address, BuildImage(name, image.reference), why, needs=needs)
    if why or present is not None:
        plan_pushes(draft, address, image, None if why else present, unverified(name, image, present, options))
    return changed and why is not None


def plan_pushes(draft: Draft, address: Address, image: Image, present: Any, again: str | None = None) -> None:
    """An entry with `push: true` is pushed under all its names: after its build (`present` None), where an image that
    stands bears no digest of that registry, since a push of it failed, and for the reason `again`.
    """
    pushed = {name.partition("@")[0] for name in (present or {}).get("RepoDigests") or ()}
    because = "it was built, and push is true" if present is None else "push is true, and the registry hasn't got it"
    for name in dict.fromkeys([image.reference, *(image.tags or ())]) if image.push else ():
        if repository_of(name) not in pushed or again:
            why = because if repository_of(name) not in pushed else again or because
            draft.add(address, PushImage(name, key_of(image)), why)


def key_of(image: Image) -> str:
    return (image.verify.cosign if image.verify is not None else None) or ""


def unverified(name: str, image: Image, present: Any, options: PlanOptions) -> str | None:
    """Why an image that stands can't be run as it is: nobody has seen its signature yet."""
    seen = options.verified.get(name)
    if seen is None or present is None or present.get("Id") in seen:
        return None
    return "its signature hasn't been checked"


def repository_of(name: str) -> str:
    """As engines write it: familiar, without the tag."""
    try:
        return replace(Reference.parse(name), tag="", digest=None).familiar
    except ValueError:
        return name


def has_other_content(present: Any, key: str | None) -> bool:
    """Whether an image that stands bears another key than that of its source now; without a key nobody can tell."""
    return key is not None and content_of(present) not in {None, key}


def content_of(present: Any) -> str | None:
    """The key that an image bears of what it was made from; None for one that isn't of our making."""
    labels = ((present or {}).get("Config") or {}).get("Labels") or {}
    return labels.get(CONTENT)


def build_reason(present: Any, policy: str, options: PlanOptions) -> str | None:
    if options.build is False:
        return None
    if options.build:
        return "--build asks for it"
    if policy == "build":
        return "its pull_policy is build"
    return None if present is not None else "the engine doesn't have it"


def pull_reason(present: Any, policy: str, now: float) -> str | None:
    if present is None:
        return None if policy in {"never", "build"} else "the engine doesn't have it"
    if policy == "always":
        return "its pull policy is always"
    age = AGES.get(policy) or every(policy)
    if age is None:
        return None
    tagged = (present.get("Metadata") or {}).get("LastTagTime") or present.get("Created") or ""
    return f"it was last pulled longer ago than its policy {policy} allows" if now - unix(tagged) > age else None


def every(policy: str) -> float | None:
    """`every_1d12h` → seconds; None for other policies."""
    found = EVERY.fullmatch(policy)
    if found is None:
        return None
    return sum(int(n) * unit for n, unit in zip(found.groups(), (604_800, 86_400, 3600, 60, 1), strict=True) if n)


def unix(text: str) -> float:
    """RFC 3339 with nanoseconds → Unix seconds; 0 for no time."""
    text = re.sub(r"(\.\d{6})\d+", r"\1", text).replace("Z", "+00:00")
    try:
        return max(0.0, datetime.fromisoformat(text).timestamp())
    except ValueError:
        return 0.0
