"""The state machine: what each verb makes of each phase, and the refusals' words."""

from __future__ import annotations

import pytest

from engine.api.errors import Conflict, SystemFailure
from engine.daemon.containers.phase import Phase, Unchanged, Verb, must_run, transition


@pytest.mark.parametrize("phase", [Phase.CREATED, Phase.EXITED, Phase.RESTARTING])
def test_what_is_at_rest_can_be_started(phase: Phase) -> None:
    assert transition(phase, Verb.START, "id") is Phase.RUNNING


@pytest.mark.parametrize(("phase", "verb"), [(Phase.RUNNING, Verb.START), (Phase.EXITED, Verb.STOP)])
def test_what_is_so_already_is_unchanged(phase: Phase, verb: Verb) -> None:
    with pytest.raises(Unchanged):
        transition(phase, verb, "id")


@pytest.mark.parametrize(
    ("phase", "verb", "words"),
    [
        (Phase.PAUSED, Verb.START, "cannot start a paused container, try unpause instead"),
        (Phase.PAUSED, Verb.PAUSE, "Container id is already paused"),
        (Phase.EXITED, Verb.PAUSE, "Container id is not running"),
        (Phase.EXITED, Verb.KILL, "Container id is not running"),
        (Phase.RUNNING, Verb.REMOVE, "You cannot remove a running container id"),
        (Phase.PAUSED, Verb.REMOVE, "Unpause and then stop"),
        (Phase.REMOVING, Verb.REMOVE, "already in progress"),
        (Phase.REMOVING, Verb.START, "marked for removal"),
    ],
)
def test_what_the_state_forbids_is_a_conflict_in_dockers_words(phase: Phase, verb: Verb, words: str) -> None:
    with pytest.raises(Conflict, match=words):
        transition(phase, verb, "id")


def test_unpausing_what_is_not_paused_is_a_failure_as_docker_has_it() -> None:
    with pytest.raises(SystemFailure, match="is not paused"):
        transition(Phase.RUNNING, Verb.UNPAUSE, "id")


def test_every_verb_has_an_answer_in_every_phase() -> None:
    for phase in Phase:
        for verb in Verb:
            try:
                assert isinstance(transition(phase, verb, "id"), Phase)
            except (Unchanged, Conflict, SystemFailure):
                continue


def test_an_exec_needs_a_running_unpaused_process() -> None:
    must_run(Phase.RUNNING, "id", "exec")
    with pytest.raises(Conflict, match="unpause the container before exec"):
        must_run(Phase.PAUSED, "id", "exec")
    with pytest.raises(Conflict, match="is not running"):
        must_run(Phase.EXITED, "id", "exec")
