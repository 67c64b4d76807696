"""What stands after a release, as its record keeps it: the services' images, and what was last applied."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from engine.api.kept import whole_id
from engine.client.session import EngineReader
from engine.kit.together import together
from engine.ledger.release import Json, Pin
from engine.plan.diff.containers import UPDATABLE
from engine.plan.lower.naming import APPLIED, NUMBER, ONEOFF, PROJECT, SERVICE

if TYPE_CHECKING:
    from engine.api.containers import ContainerSummary
    from engine.api.images import ImageSummary

Replica = tuple[str, int]


class Standing(NamedTuple):
    """`containers` are the project's, one-off runs left out; `images` all that the engine has."""

    containers: Sequence[ContainerSummary]
    images: Sequence[ImageSummary]

    def pins(self) -> dict[str, Pin]:
        """By service: what its first container runs."""
        digests = {whole_id(image["Id"]): tuple(image.get("RepoDigests") or ()) for image in self.images}
        found: dict[str, Pin] = {}
        for container in sorted(self.containers, key=replica_of):
            id = whole_id(container.get("ImageID") or "")
            # Docker's word for "no digest known"
            known = tuple(d for d in digests.get(id, ()) if not d.startswith("<none>"))
            found.setdefault(replica_of(container)[0], Pin(id, known))
        return found

    def applied(
        self,
        created: Collection[Replica],
        updated: Mapping[str, Mapping[str, Any]],
        before: Mapping[str, Json],
    ) -> dict[str, Json]:
        """By container id: the values last applied to fields that can change in place. Of a container that this release
        made its label tells; what happened to others only the release `before` knows.
        """
        found: dict[str, Json] = {}
        for container in self.containers:
            id = container["Id"]
            if replica_of(container) in created:
                found[id] = updatable(labels_of(container).get(APPLIED, ""))
            elif id in before:
                found[id] = dict(before[id])
            if id in updated:
                found[id] = {**found.get(id, {}), **updated[id]}
        return found


async def read_standing(engine: EngineReader, project: str, *, images: bool = True) -> Standing:
    filters = {"label": [f"{PROJECT}={project}", f"{ONEOFF}=False"]}
    listed = partial(engine.containers.list, all=True, filters=filters)
    return Standing(*await together(listed, engine.images.list)) if images else Standing(await listed(), ())


def updatable(applied: str) -> Json:
    """Of a label's fields those that can change in place; a field that wasn't asked for is there as None."""
    try:
        fields = json.loads(applied)
    except ValueError:
        return {}
    return {path: fields.get(path) for path in UPDATABLE} if isinstance(fields, dict) else {}


def replica_of(container: ContainerSummary) -> Replica:
    labels = labels_of(container)
    number = labels.get(NUMBER, "")
    return labels.get(SERVICE, ""), int(number) if number.isdigit() else 1


def labels_of(container: ContainerSummary) -> Mapping[str, str]:
    return container.get("Labels") or {}
