"""The names under which the images of kept releases are held: ours to give, spared by our engine's prunes."""

from __future__ import annotations

KEPT = "rorqual-keep/"


def whole_id(image_id: str) -> str:
    """With its algorithm: of some calls Podman leaves that out."""
    return image_id if ":" in image_id or not image_id else f"sha256:{image_id}"


def is_kept(name: str) -> bool:
    """Whether a name is one of these, in any engine's spelling: Podman puts `localhost/` or `docker.io/` before it."""
    first, _, rest = name.partition("/")
    return name.startswith(KEPT) or (f"{first}/" != KEPT and rest.startswith(KEPT))
