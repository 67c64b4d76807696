"""Where layers have been seen: by which digest, of which type, in which repositories. So a push sends what is missing.

A layer that was pulled or pushed once needn't be packed again to know how a registry names it. Recorded, since it
holds over restarts; a wrong memory costs one question to the registry, never more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from engine.daemon.protocols import Store

KIND = "layer-source"
# As many as Docker remembers of a layer.
MOST = 50


@dataclass(frozen=True, slots=True)
class LayerSource:
    """The packed layer as a registry has it. `repository` is domain/path."""

    digest: str
    size: int
    media_type: str
    repository: str


class LayerSources:
    def __init__(self, store: Store) -> None:
        self._store = store

    def of(self, diff_id: str) -> list[LayerSource]:
        """The newest first."""
        return [LayerSource(**record) for record in self._store.get(KIND, diff_id) or ()]

    def remember(self, diff_id: str, source: LayerSource) -> None:
        known = [other for other in self.of(diff_id) if (other.digest, other.repository) != key(source)]
        self._store.put(KIND, diff_id, [asdict(one) for one in [source, *known][:MOST]])

    def forget(self, diff_id: str, source: LayerSource) -> None:
        """The registry has it no longer."""
        left = [other for other in self.of(diff_id) if (other.digest, other.repository) != key(source)]
        self._store.put(KIND, diff_id, [asdict(one) for one in left])

    def keep_only(self, diff_ids: Sequence[str]) -> None:
        """Forget layers that are here no longer."""
        needed = set(diff_ids)
        for diff_id in self._store.list(KIND):
            if diff_id not in needed:
                self._store.delete(KIND, diff_id)


def key(source: LayerSource) -> tuple[str, str]:
    return source.digest, source.repository
