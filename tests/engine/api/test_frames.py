"""Frames come out whole, whatever way their bytes were cut."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.api.errors import SystemFailure
from engine.api.frames import Frame, Multiplexed, Raw, Stream, encode

FRAMES = st.lists(st.builds(Frame, st.sampled_from(Stream), st.binary(max_size=40)))


@given(FRAMES, st.lists(st.integers(0, 400)))
def test_frames_survive_any_cut(frames: list[Frame], cuts: list[int]) -> None:
    wire = b"".join(encode(frame) for frame in frames)
    places = sorted({0, len(wire), *(cut for cut in cuts if cut < len(wire))})
    decoder = Multiplexed()
    seen = [frame for start, end in itertools.pairwise(places) for frame in decoder.feed(wire[start:end])]
    assert seen == frames
    assert decoder.rest() == b""


def test_a_frame_that_has_not_wholly_come_is_the_rest() -> None:
    decoder = Multiplexed()
    assert decoder.feed(encode(Frame(Stream.STDOUT, b"hello"))[:-1]) == []
    assert decoder.rest().endswith(b"hell")


def test_a_stream_out_of_step_is_refused_and_not_guessed_at() -> None:
    with pytest.raises(SystemFailure, match="out of step"):
        Multiplexed().feed(b"plain text, no frame")


def test_a_ttys_stream_is_output_as_it_is() -> None:
    assert Raw().feed(b"ab\r\n") == [Frame(Stream.STDOUT, b"ab\r\n")]
    assert Raw().rest() == b""
