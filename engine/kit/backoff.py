"""How long to wait before each new try: exponential, bounded, with jitter so that many callers don't knock at once."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """Waits in seconds: `first`, then each `factor` times longer up to `longest`, and cut by up to `jitter` of it."""

    first: float = 0.1
    factor: float = 2.0
    longest: float = 10.0
    jitter: float = 0.2

    def delays(self, uniform: Callable[[float, float], float] = random.uniform) -> Iterator[float]:
        """The waits, without end; the caller decides when to give up."""
        delay = self.first
        while True:
            yield delay * (1 - uniform(0, self.jitter))
            delay = min(delay * self.factor, self.longest)
