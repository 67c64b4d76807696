"""When a policy starts again, after what pause; and what probes make of a status."""

from __future__ import annotations

import pytest

from engine.daemon.containers.health import Check, after_probe, check_of
from engine.daemon.containers.record import HealthRecord, Probe
from engine.daemon.containers.supervision import next_pause, restarts
from tests.engine.daemon.containers.values import container


@pytest.mark.parametrize(
    ("policy", "code", "before", "by_user", "again"),
    [
        ({"Name": "no"}, 1, 0, False, False),
        ({"Name": "always"}, 0, 9, False, True),
        ({"Name": "always"}, 0, 0, True, False),
        ({"Name": "unless-stopped"}, 1, 0, False, True),
        ({"Name": "on-failure"}, 0, 0, False, False),
        ({"Name": "on-failure"}, 1, 99, False, True),
        ({"Name": "on-failure", "MaximumRetryCount": 2}, 1, 1, False, True),
        ({"Name": "on-failure", "MaximumRetryCount": 2}, 1, 2, False, False),
    ],
)
def test_a_policy_decides_by_the_exit_code_the_count_and_the_user(
    policy: dict[str, object], code: int, before: int, by_user: bool, again: bool
) -> None:
    found = container(RestartPolicy=policy)
    found.exit_code, found.restarts, found.stopped_by_user = code, before, by_user
    assert restarts(found) is again


def test_pauses_double_to_a_minute_and_begin_anew_after_a_steady_run() -> None:
    pauses, pause = [], 0.0
    for _ in range(12):
        pause = next_pause(pause, 0.1)
        pauses.append(pause)
    assert pauses[:4] == [0.1, 0.2, 0.4, 0.8]
    assert pauses[-1] == 60.0
    assert next_pause(60.0, 11) == 0.1


CHECK = Check(("true",), 1, 1, 0, 1, 2)


def after(codes: list[int], *, in_start_period: bool = False) -> HealthRecord:
    health = HealthRecord()
    for code in codes:
        health = after_probe(health, Probe(0, 1, code, ""), CHECK, in_start_period=in_start_period)
    return health


def test_so_many_failures_in_a_row_are_unhealthy_and_one_success_heals() -> None:
    assert after([1]).status == "starting"
    assert (after([1, 1]).status, after([1, 1]).streak) == ("unhealthy", 2)
    assert (after([1, 1, 0]).status, after([1, 1, 0]).streak) == ("healthy", 0)
    assert after([0, 1]).status == "healthy"


def test_in_the_start_period_failures_do_not_count() -> None:
    assert after([1, 1, 1], in_start_period=True).status == "starting"
    assert after([0, 1, 1], in_start_period=True).status == "unhealthy"


def test_only_the_last_probes_are_kept() -> None:
    assert len(after([0] * 9).log) == 5


def test_a_check_has_its_defaults_and_its_shell() -> None:
    found = check_of({"Test": ["CMD-SHELL", "exit 0"]}, ["/bin/ash", "-c"])
    assert found is not None
    assert found.words == ("/bin/ash", "-c", "exit 0")
    assert (found.interval, found.retries) == (30 * 10**9, 3)
    assert check_of({"Test": ["NONE"]}, None) is None
    assert check_of({"Test": []}, None) is None
