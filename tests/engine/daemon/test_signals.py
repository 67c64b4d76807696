"""Signals by name: which are refused, and what ends a container whose image brought a word that is none."""

from __future__ import annotations

import signal

import pytest

from engine.api.errors import InvalidArgument
from engine.daemon.build.configuring import Words, configured
from engine.daemon.images.instructions import applied
from engine.daemon.signals import signal_number, stop_signal
from engine.dockerfile.faults import DockerfileError
from engine.dockerfile.instructions import StopSignal
from engine.dockerfile.parse import parse_strictly


@pytest.mark.parametrize("word", ["BOGUS", "SIGNOPE", "0", "65", "SIGRTMIN+31", "-1"])
def test_a_word_that_is_no_signal_is_refused(word: str) -> None:
    with pytest.raises(InvalidArgument, match=r"Invalid signal: "):
        signal_number(word)


@pytest.mark.parametrize(("config", "number"), [({"StopSignal": "SIGQUIT"}, signal.SIGQUIT), ({}, signal.SIGTERM)])
def test_a_container_ends_by_its_own_signal_or_sigterm(config: dict[str, str], number: int) -> None:
    assert stop_signal(config) == number


def test_a_container_of_an_image_with_a_bogus_signal_can_be_stopped() -> None:
    assert stop_signal({"StopSignal": "BOGUS"}) == signal.SIGTERM


def test_a_change_to_a_bogus_signal_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="Invalid signal: BOGUS"):
        applied({}, ["STOPSIGNAL BOGUS"])


def test_a_build_refuses_a_bogus_signal_at_its_line() -> None:
    (instruction,) = parse_strictly("FROM scratch\nSTOPSIGNAL BOGUS\n").stages[0].instructions
    assert isinstance(instruction, StopSignal)
    words = Words(instruction.said, {}, "\\")
    with pytest.raises(DockerfileError, match="Invalid signal: BOGUS") as refused:
        configured(instruction, {}, words, cmd_was_set=False)
    assert refused.value.faults[0].place == instruction.said.place
