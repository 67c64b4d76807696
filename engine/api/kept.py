"""The names under which the images of kept releases are held: ours to give, spared by our engine's prunes."""

from __future__ import annotations

KEPT = "rorqual-keep/"


def is_kept(name: str) -> bool:
    """Whether a name is one of these, in any engine's spelling: Podman puts `localhost/` or `docker.io/` before it."""
    first, _, rest = name.partition("/")
    return name.startswith(KEPT) or (f"{first}/" != KEPT and rest.startswith(KEPT))
