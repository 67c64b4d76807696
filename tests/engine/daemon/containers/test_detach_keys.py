"""Keys that detach, found in what is typed however it is cut."""

from __future__ import annotations

import pytest

from engine.api.errors import InvalidArgument
from engine.daemon.containers.detach_keys import KeyWatch, parse_keys


def test_keys_are_read_by_name() -> None:
    assert parse_keys("") == b"\x10\x11"
    assert parse_keys("ctrl-a,x,ctrl-[") == b"\x01x\x1b"
    with pytest.raises(InvalidArgument, match="invalid detach keys"):
        parse_keys("ctrl-")


def test_the_keys_are_found_across_pieces_and_not_passed_on() -> None:
    watch = KeyWatch(b"\x10\x11")
    assert watch.feed(b"ab\x10") == (b"ab", False)
    assert watch.feed(b"\x11cd") == (b"", True)


def test_a_beginning_that_is_none_is_passed_on_late() -> None:
    watch = KeyWatch(b"\x10\x11")
    assert watch.feed(b"\x10") == (b"", False)
    assert watch.feed(b"x") == (b"\x10x", False)
    assert watch.feed(b"\x10\x10") == (b"\x10", False)
    assert watch.feed(b"\x11") == (b"", True)
