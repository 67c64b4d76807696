"""How much of the build cache a prune leaves, by what its caller bounds. Source: Engine API v1.50, BuildPrune."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CacheBounds:
    """In bytes; 0 bounds nothing. `reserved` is kept whatever the others say, `most` is what the cache may take,
    `free` what the disk shall have free afterwards.
    """

    reserved: int = 0
    most: int = 0
    free: int = 0

    def kept(self, cache: int, free_now: int) -> int:
        """How many of the `cache`'s bytes may stay; 0 where nothing is bounded: then all that is unused goes."""
        if not (self.reserved or self.most or self.free):
            return 0
        kept = self.most or (cache if self.free else 0)
        return max(min(kept, cache - max(0, self.free - free_now)), self.reserved)
