"""A body's end is found whatever way its bytes were cut, and nothing that is no body passes for one."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.http.body import Chunked, Sized, ToTheEnd, body_of
from engine.http.errors import NotHttp

CUTS = st.lists(st.integers(0, 300))


def pieces(wire: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({0, len(wire), *(cut for cut in cuts if cut < len(wire))})
    return [wire[start:end] for start, end in itertools.pairwise(places)]


@given(st.lists(st.binary(min_size=1, max_size=40)), CUTS, st.sampled_from([b"", b"x: y\r\n"]), st.binary(max_size=5))
def test_chunks_are_joined_whatever_way_they_were_cut(
    chunks: list[bytes], cuts: list[int], trailer: bytes, surplus: bytes
) -> None:
    wire = b"".join(b"%X\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n" + trailer + b"\r\n"
    body = Chunked()
    seen = b"".join(body.feed(piece) for piece in pieces(wire, cuts)[:-1])
    assert not body.done
    seen += body.feed(pieces(wire, cuts)[-1] + surplus)
    assert (seen, body.done, body.surplus) == (b"".join(chunks), True, surplus)


@given(st.binary(max_size=60), st.integers(0, 60), CUTS)
def test_a_length_is_kept_to(wire: bytes, length: int, cuts: list[int]) -> None:
    body = Sized(length)
    seen, left = b"", b""
    for piece in pieces(wire, cuts):
        if body.done:
            left += piece
        else:
            seen += body.feed(piece)
    assert seen == wire[:length]
    assert body.done is (len(wire) >= length)
    assert body.surplus + left == wire[length:]


@pytest.mark.parametrize(
    "wire", [b"hello\r\n", b"\r\n", b"-1\r\n", b"+1\r\n", b"1_0\r\n", b"3\r\nabcd\r\n", b"x" * 5000]
)
def test_what_is_no_chunk_is_refused(wire: bytes) -> None:
    with pytest.raises(NotHttp):
        Chunked().feed(wire)


def test_a_chunk_may_carry_an_extension() -> None:
    assert Chunked().feed(b"3;a=b\r\nabc\r\n") == b"abc"


@pytest.mark.parametrize(
    ("method", "status", "headers", "kind"),
    [
        ("HEAD", 200, {"content-length": "5"}, Sized),
        ("GET", 304, {"transfer-encoding": "chunked"}, Sized),
        ("GET", 200, {"transfer-encoding": "chunked", "content-length": "5"}, Chunked),
        ("GET", 200, {"content-length": "5"}, Sized),
        ("GET", 200, {}, ToTheEnd),
    ],
)
def test_the_head_says_how_the_body_ends(method: str, status: int, headers: dict[str, str], kind: type) -> None:
    body = body_of(method, status, headers)
    assert type(body) is kind
    assert body.done is (method == "HEAD" or status == 304)


def test_only_an_unframed_body_may_end_by_closing() -> None:
    assert ToTheEnd().may_end_by_closing()
    assert not Sized(1).may_end_by_closing()
    assert not Chunked().may_end_by_closing()
