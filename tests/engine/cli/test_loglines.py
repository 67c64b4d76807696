"""Lines out of a log's frames, and reading on where one left off."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from engine.api.frames import Frame, Stream
from engine.cli.loglines import PART, WINDOW, LineCutter, LogLine, Seen
from engine.cli.moments import to_rfc3339

START = 1_700_000_000 * 10**9


def frame(time: int, text: bytes, stream: Stream = Stream.STDOUT) -> Frame:
    return Frame(stream, to_rfc3339(time).encode() + b" " + text)


def test_a_frame_is_a_line_with_its_time() -> None:
    cutter = LineCutter(tty=False)
    assert cutter.feed(frame(START + 1, b"hello\n")) == [LogLine(START + 1, Stream.STDOUT, b"hello")]


def test_a_line_that_the_engine_cut_is_one_line_again() -> None:
    cutter = LineCutter(tty=False)
    assert cutter.feed(frame(START, b"x" * PART)) == []
    assert cutter.feed(frame(START + 1, b"err\n", Stream.STDERR)) == [LogLine(START + 1, Stream.STDERR, b"err")]
    assert cutter.feed(frame(START + 2, b"yz\n")) == [LogLine(START, Stream.STDOUT, b"x" * PART + b"yz")]


def test_the_last_words_of_an_earlier_run_are_a_line_of_their_own() -> None:
    cutter = LineCutter(tty=False)
    assert cutter.feed(frame(START, b"no newline")) == []
    lines = cutter.feed(frame(START + 5, b"next run\n"))
    assert [line.text for line in lines] == [b"no newline", b"next run"]


def test_what_never_ended_is_given_out_at_the_end() -> None:
    cutter = LineCutter(tty=False)
    cutter.feed(frame(START, b"prompt> "))
    assert [line.text for line in cutter.rest()] == [b"prompt> "]
    assert cutter.rest() == []


@given(st.lists(st.integers(1, 40), min_size=1, max_size=20), st.randoms())
def test_a_ttys_bytes_give_the_same_lines_however_they_are_cut(lengths: list[int], rng: random.Random) -> None:
    texts = [b"a" * length for length in lengths]
    stream = b"".join(to_rfc3339(START + i).encode() + b" " + text + b"\r\n" for i, text in enumerate(texts))
    cutter, lines = LineCutter(tty=True), []
    while stream:
        size = rng.randint(1, 50)
        lines += cutter.feed(Frame(Stream.STDOUT, stream[:size]))
        stream = stream[size:]
    assert lines == [LogLine(START + i, Stream.STDOUT, text) for i, text in enumerate(texts)]


def test_a_ttys_long_line_has_no_timestamps_inside() -> None:
    stamp = to_rfc3339(START).encode() + b" "
    cutter = LineCutter(tty=True)
    lines = cutter.feed(Frame(Stream.STDOUT, stamp + b"x" * PART + stamp + b"y\r\n"))
    assert [line.text for line in lines] == [b"x" * PART + b"y"]


def lines_of(*times: int) -> list[LogLine]:
    return [LogLine(START + time, Stream.STDOUT, f"{i}".encode()) for i, time in enumerate(times)]


def test_reading_on_doubles_nothing_and_loses_no_line_that_was_stored_late() -> None:
    seen, first = Seen(), lines_of(0, 10, 10, 20)
    for line in first:
        seen.add(line)
    late = LogLine(START + 15, Stream.STDERR, b"stored after a later line")
    again = [first[0], first[1], first[2], late, first[3], LogLine(START + 30, Stream.STDOUT, b"new")]
    fresh = seen.filter()
    assert [line.text for line in again if fresh.is_new(line)] == [b"stored after a later line", b"new"]


def test_equal_lines_at_one_moment_are_told_apart_by_their_number() -> None:
    seen, line = Seen(), LogLine(START, Stream.STDOUT, b"same")
    seen.add(line)
    fresh = seen.filter()
    assert [fresh.is_new(line) for _ in range(3)] == [False, True, True]


def test_lines_that_tail_left_out_stay_out() -> None:
    seen = Seen()
    seen.add(LogLine(START + 100, Stream.STDOUT, b"the last"))
    seen.floor = seen.last
    assert not seen.filter().is_new(LogLine(START + 99, Stream.STDOUT, b"left out"))
    assert seen.since == START + 100


def test_lines_that_tail_left_out_stay_out_though_they_have_the_last_ones_time() -> None:
    seen = Seen()
    one, two, three, four = (LogLine(START, Stream.STDOUT, text) for text in (b"1", b"2", b"3", b"4"))
    seen.add(three)
    seen.floor = seen.last
    fresh = seen.filter()
    assert [line for line in (one, two, three, four) if fresh.is_new(line)] == [four]


def test_memory_of_lines_is_bounded_by_the_window() -> None:
    seen = Seen()
    for i in range(10):
        seen.add(LogLine(START + i * WINDOW, Stream.STDOUT, b"x"))
    assert len(seen.recent) == 2
