"""Which images were seen to be signed: an empty file for each key and image id, in this machine's state.

So a signature is looked for once, and an image that came onto the engine by another way is none that was checked.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from specs.models import Project

FOLDER = "verified"


def remember_verified(state: Path, key: Path, image_id: str) -> None:
    folder = folder_of(state, key)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / image_id.replace(":", "-")).touch()


def verified_images(state: Path, project: Project) -> Mapping[str, frozenset[str]]:
    """Image ids by the name of each entry of `images:` that is to be verified.

    A key that can't be read has verified nothing.
    """
    found = {}
    for name, image in project.images.items():
        if image.verify is not None and image.verify.cosign:
            try:
                names = [path.name for path in folder_of(state, Path(image.verify.cosign)).iterdir()]
            except OSError:
                names = []
            found[name] = frozenset(each.replace("-", ":", 1) for each in names)
    return found


def folder_of(state: Path, key: Path) -> Path:
    """The key's content counts: another key in the same file has verified nothing. Raises OSError."""
    return state / FOLDER / hashlib.sha256(key.read_bytes()).hexdigest()
