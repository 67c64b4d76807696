"""A release in place of a host: what would stand where an exported release stands, so that a plan can be made without
reaching the host. For pull requests.

What an image sets by itself is not in a release, and on neither side here. Sensitive values are there as digests whose
key stays on the host: where both sides have one, they count as equal, and that is said.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.api.capabilities import Capabilities
from engine.api.errors import InvalidArgument
from engine.ledger.release import SENSITIVE, Json, Release
from engine.ledger.sealing import digests_in
from engine.plan.desired import DesiredContainer
from engine.plan.diff.containers import applied_fields
from engine.plan.lower.containers import Lowering, with_applied
from engine.plan.lower.endpoints import lower_network, lower_volume
from engine.plan.lower.naming import Naming
from engine.plan.make import make_plan
from engine.plan.objects import used_networks, used_volumes
from engine.plan.observed import EngineIdentity, LiveContainer, Observed
from engine.plan.options import PlanOptions
from engine.plan.order import select
from engine.plan.sensitive import HIDDEN
from engine.plan.steps import Plan
from engine.reconcile.contents import digest_of, read_sealer, state_directory
from engine.reconcile.convergence import completed
from engine.reconcile.saved import read_options
from engine.reconcile.sealed import document_of, opened_project
from specs.models import Project
from specs.source import Diagnostic, Severity


def plan_against(
    release: Release, project: Project, options: PlanOptions, environment: Mapping[str, str], separator: str = "-"
) -> Plan:
    """What `up` of the project would do on the host where `release` was the last thing done.

    Raises InvalidArgument for a release of another project, or of a version that says too little.
    """
    if release.key.project != project.name:
        raise InvalidArgument(f"the release is of project {release.key.project}, and this is project {project.name}")
    whole = completed(project, options, read_sealer(state_directory(environment)), separator)
    whole = whole._replace(unseen=True)
    there = str(release.intent.spec.get("working_dir", ""))
    spec = moved(release.intent.spec, there, project.working_dir)
    then = opened_project(filled(spec, document_of(project)))
    contents = {moved(p, there, project.working_dir): c.digest for p, c in release.intent.contents.items()}
    observed = Standing(release, then, project, contents, whole).observed()
    plan = make_plan(project, observed, whole)
    return plan._replace(warnings=(*plan.warnings, *warnings(spec)))


def warnings(spec: Json) -> Iterator[Diagnostic]:
    hidden = digests_in(spec)
    if hidden:
        text = f"not compared, since their values stay on the host: {', '.join(hidden)}"
        yield Diagnostic(Severity.NOTE, "not-compared", text)


@dataclass
class Standing:
    """The host after a release: `then` is its project, with what `now` has where the release only has a digest."""

    release: Release
    then: Project
    now: Project
    contents: Mapping[str, str]
    options: PlanOptions

    def observed(self) -> Observed:
        then, release = self.then, self.release
        asked = read_options(release.intent.options)
        lowering = Lowering(then, Naming(then.name, asked.separator), self.contents, self.options.seal, self.profiles())
        keys = [] if release.intent.kind == "down" else select(then, asked.services, deps=asked.deps)
        images: dict[str, Mapping[str, Any] | None] = {}
        containers: list[LiveContainer] = []
        for key in keys:
            service, pin = then.services[key], release.images.get(key)
            reference = lowering.naming.image(then, service, key)
            id = pin.id if pin else reference
            images[reference] = images[id] = {"Id": id, "Config": {}}
            for number in range(1, asked.scale.get(key, service.replicas) + 1):
                desired = lowering.labelled(lowering.container(key, number))
                containers.append(live(desired, id, self.options))
        capabilities = read_capabilities(release.intent.capabilities)
        version = ".".join(map(str, capabilities.api_version))
        identity = EngineIdentity(release.key.engine, f"release {release.number}", version)
        networks, volumes = self.networks(keys), self.volumes(keys)
        return Observed(identity, capabilities, tuple(containers), networks, volumes, images)

    def networks(self, keys: list[str]) -> dict[str, Mapping[str, Any]]:
        """Those of the release; what is external can't be known, and is taken to be there."""
        desired = [lower_network(self.then, k, self.then.networks[k]) for k in used_networks(self.then, keys)]
        outside = [lower_network(self.now, k, n) for k, n in self.now.networks.items() if n.external]
        return {d.name: {"Id": d.name, **d.body} for d in (*desired, *outside)}

    def volumes(self, keys: list[str]) -> dict[str, Mapping[str, Any]]:
        desired = [lower_volume(self.then, k, self.then.volumes[k]) for k in used_volumes(self.then, keys)]
        outside = [lower_volume(self.now, k, v) for k, v in self.now.volumes.items() if v.external]
        return {d.name: {**d.body, "Name": d.name, "Options": d.body.get("DriverOpts")} for d in (*desired, *outside)}

    def profiles(self) -> dict[str, str]:
        """Seccomp profiles by path as written: the file's, where the release had the same, else one that differs."""
        found = {}
        for path, text in self.options.profiles.items():
            full = str(Path(self.now.working_dir, path))
            found[path] = text if self.contents.get(full) == digest_of(full, None) else "{}"
        return found


def live(desired: DesiredContainer, image_id: str, options: PlanOptions) -> LiveContainer:
    """The container as its inspect would be right after it was made."""
    body = dict(desired.body)
    host, networking = body.pop("HostConfig", {}), body.pop("NetworkingConfig", {})
    labels = {**body.get("Labels", {}), **with_applied(desired, applied_fields(desired, options.seal))}
    inspect = {
        "Id": desired.name,
        "Name": f"/{desired.name}",
        "Image": image_id,
        "Config": {**body, "Labels": labels},
        "HostConfig": host,
        "State": {"Status": "running", "ExitCode": 0},
        "NetworkSettings": {"Networks": networking.get("EndpointsConfig") or {}},
    }
    address = desired.address
    return LiveContainer(desired.name, desired.name, address.name, address.replica, False, "running", inspect)


def moved(value: Any, there: str, here: str) -> Any:
    """A document with the project's folder where it is now: a checkout lies elsewhere than on the host."""
    if isinstance(value, Mapping):
        return {key: moved(item, there, here) for key, item in value.items()}
    if isinstance(value, list):
        return [moved(item, there, here) for item in value]
    if isinstance(value, str) and there and (value == there or value.startswith(f"{there}/")):
        return here + value[len(there) :]
    return value


def filled(spec: Any, now: Any, unset: str = HIDDEN) -> Any:
    """Each sensitive value of the release as the project has it now at the same place, else hidden.

    A secret whose variable is not set here has no content: it is empty on both sides.
    """
    if isinstance(spec, Mapping):
        if spec.keys() == {SENSITIVE}:
            return now if isinstance(now, str) else unset
        here = now if isinstance(now, Mapping) else {}
        return {key: filled(item, here.get(key), "" if key == "content" else HIDDEN) for key, item in spec.items()}
    if isinstance(spec, list):
        others = now if isinstance(now, list) else []
        return [filled(item, others[n] if n < len(others) else None) for n, item in enumerate(spec)]
    return spec


def read_capabilities(found: Mapping[str, Any]) -> Capabilities:
    try:
        return Capabilities(**{**found, "api_version": tuple(found["api_version"])})
    except (KeyError, TypeError) as error:
        raise InvalidArgument("the release was exported by another version of Rorqual: export it again") from error
