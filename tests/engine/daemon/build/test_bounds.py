"""What a prune of the build cache leaves."""

from __future__ import annotations

import pytest

from engine.daemon.build.bounds import CacheBounds


@pytest.mark.parametrize(
    ("bounds", "free_now", "kept"),
    [
        (CacheBounds(), 0, 0),
        (CacheBounds(reserved=30), 0, 30),
        (CacheBounds(most=60), 0, 60),
        (CacheBounds(most=60, reserved=80), 0, 80),
        (CacheBounds(free=50), 50, 100),
        (CacheBounds(free=50), 20, 70),
        (CacheBounds(free=50, most=60), 20, 60),
        (CacheBounds(free=50, most=60), 0, 50),
        (CacheBounds(free=500, reserved=10), 0, 10),
    ],
)
def test_a_prune_keeps_what_its_bounds_allow_and_never_less_than_is_reserved(
    bounds: CacheBounds, free_now: int, kept: int
) -> None:
    assert bounds.kept(100, free_now) == kept
