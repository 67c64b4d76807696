"""Images of kept releases, held on the engine by a name of ours: what a rollback needs is no garbage to a prune.

`image prune` leaves what has a name. `prune -a` takes it on Docker and Podman all the same, where no container uses it;
the embedded engine knows these names and spares them. A name tells whose ledger needs it, so that two machines that
converge one engine don't let go of each other's.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from engine.api.errors import Conflict, NotFound
from engine.api.kept import KEPT, is_kept, whole_id
from engine.client.session import Engine
from engine.oci.reference import COMPONENT

if TYPE_CHECKING:
    from engine.api.images import ImageSummary

NAME = re.compile(COMPONENT)


def keep_repository(project: str) -> str:
    """`rorqual-keep/shop`; a project whose name can't be a repository's is named by its digest."""
    return f"{KEPT}{project if NAME.fullmatch(project) else hashlib.sha256(project.encode()).hexdigest()[:32]}"


def keep_tag(ledger: str, image_id: str) -> str:
    """`ledger` is the name of the machine's sealing key."""
    return f"{ledger}-{image_id.removeprefix('sha256:')[:16]}"


async def keep_images(
    engine: Engine, project: str, ledger: str, wanted: Collection[str], images: Sequence[ImageSummary]
) -> None:
    """Name every image in `wanted` (ids) that is among the engine's `images`, and let go of those that this ledger
    needs no more.

    Raises EngineError where an image can't be named.
    """
    repository, there = keep_repository(project), {whole_id(image["Id"]) for image in images}
    tags = {keep_tag(ledger, id): id for id in wanted if id in there}
    names = (name for image in images for name in image.get("RepoTags") or ())
    held = {name.rpartition(":")[2]: name for name in names if is_kept(name) and f"{repository}:{ledger}-" in name}
    for tag in tags.keys() - held.keys():
        await engine.images.tag(tags[tag], repository, tag)
    for tag in held.keys() - tags.keys():
        try:
            await engine.images.remove(held[tag])
        except (NotFound, Conflict):
            # a container still runs it: the next release asks again
            continue
