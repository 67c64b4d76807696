"""Which stages a target needs, and which images a build takes from."""

from __future__ import annotations

import pytest

from engine.dockerfile.faults import DockerfileError
from engine.dockerfile.parse import parse_strictly
from engine.dockerfile.stages import base_of, global_values, images_taken, needed_stages, target_of

TEXT = """
ARG BASE=debian
FROM $BASE AS one
FROM one AS two
RUN --mount=from=tools:1,target=/t x
FROM golang AS unused
FROM scratch AS three
COPY --from=two /a /b
COPY --from=0 /a /c
COPY --from=busybox:1 /a /d
"""


def numbers(target: str = "") -> list[int]:
    found = parse_strictly(TEXT)
    return [stage.number for stage in needed_stages(found, target_of(found, target), global_values(found, {}, {}))]


def test_only_what_the_target_takes_from_is_needed() -> None:
    assert numbers() == [0, 1, 3]
    assert numbers("TWO") == [0, 1]
    assert numbers("2") == [2]


def test_an_unknown_target_is_told_with_what_was_meant() -> None:
    with pytest.raises(DockerfileError, match=r"target stage thre could not be found \(did you mean three\?\)"):
        numbers("thre")


def test_a_build_argument_wins_over_the_default_before_the_first_from() -> None:
    found = parse_strictly(TEXT)
    assert base_of(found, found.stages[0], global_values(found, {"BASE": "alpine"}, {})).image == "alpine"
    with pytest.raises(DockerfileError, match=r"base name \(\$BASE\) should not be blank \(declare ARG BASE"):
        base_of(found, found.stages[0], {})


def test_images_that_a_build_takes_from() -> None:
    assert images_taken(parse_strictly(TEXT)) == ["debian", "tools:1", "busybox:1"]
    assert images_taken(parse_strictly(TEXT), args={"BASE": "x"}, target="one") == ["x"]
    assert images_taken(parse_strictly("FROM $NO")) == []
