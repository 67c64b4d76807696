"""conmon's lines as the API's log: whole lines and pieces, stamps, tails, windows."""

from __future__ import annotations

from engine.api.frames import Stream
from engine.daemon.containers.logtext import LogLine, Wanted, frames_of, last_lines, parse_line, utc

STAMP = b"2026-11-24T05:14:54.690470816+00:00"


def line(content: bytes, *, whole: bool = True, stream: Stream = Stream.STDOUT) -> LogLine:
    return LogLine(STAMP, stream, whole, content)


def test_a_whole_line_ends_with_a_newline_and_a_piece_does_not() -> None:
    whole = parse_line(STAMP + b" stdout F two words")
    piece = parse_line(STAMP + b" stderr P half")
    assert whole is not None and piece is not None
    assert (whole.output, whole.stream) == (b"two words\n", Stream.STDOUT)
    assert (piece.output, piece.stream) == (b"half", Stream.STDERR)


def test_an_empty_line_is_a_line_and_garbage_is_none() -> None:
    empty = parse_line(STAMP + b" stdout F ")
    assert empty is not None and empty.output == b"\n"
    assert parse_line(b"garbage") is None
    assert parse_line(STAMP + b" stdin F x") is None


def test_stamps_are_utc_with_nine_digits_and_stand_at_the_beginning_of_lines_only() -> None:
    assert utc(b"2026-11-24T07:14:54.690470816+02:00") == b"2026-11-24T05:14:54.690470816Z"
    frames = frames_of([line(b"a", whole=False), line(b"b"), line(b"c")], Wanted(timestamps=True), set())
    assert [frame.data[:4] for frame in frames] == [b"2026", b"b\n", b"2026"]


def test_the_last_lines_bring_their_pieces() -> None:
    lines = [line(b"one"), line(b"tw", whole=False), line(b"o"), line(b"three")]
    assert b"".join(found.output for found in last_lines(lines, 2)) == b"two\nthree\n"
    assert last_lines(lines, 0) == []
    assert last_lines(lines, 9) == lines


def test_an_unfinished_last_line_counts_as_one() -> None:
    assert [found.content for found in last_lines([line(b"a"), line(b"b", whole=False)], 1)] == [b"b"]


def test_the_window_and_the_streams_choose() -> None:
    late = Wanted(since=2_000_000_000 * 10**9)
    assert not late.takes(line(b"x"))
    assert Wanted(until=2_000_000_000 * 10**9).takes(line(b"x"))
    assert not Wanted(stdout=False).takes(line(b"x"))
