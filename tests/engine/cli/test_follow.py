"""logs -f and attached up: nothing lost, nothing doubled, through restarts, scaling and replacement; and Ctrl-C."""

from __future__ import annotations

import re
import signal
import time

import pytest

from tests.engine.cli.conftest import Place

pytestmark = pytest.mark.root

# Each line is told apart by the container, the time since boot and a count.
COUNTER = """\
  web:
    image: IMAGE
    command:
      - sh
      - -c
      - 'while true; do read u x < /proc/uptime; i=$$((i+1)); echo "$$HOSTNAME out $$u $$i";
        echo "$$HOSTNAME err $$u $$i" >&2; sleep 0.02; done'
    stop_grace_period: 0s"""
PAIR = """\
  a:
    image: IMAGE
    command: [sh, -c, 'echo a starts; echo a err >&2; exec sleep 1000']
    stop_grace_period: 1s
  b:
    image: IMAGE
    command: [sh, -c, 'echo b starts; sleep 1; echo b ends; exit 4']
    stop_grace_period: 1s"""


def counted(text: str) -> list[str]:
    return re.findall(r"^web-\d+ +\| (\w+ (?:out|err) [\d.]+ \d+)$", text, re.MULTILINE)


def test_followed_logs_lose_and_double_nothing_through_restart_scale_and_replacement(place: Place) -> None:
    place.write(COUNTER)
    place.run("up", "-d")
    process = place.begin("logs", "-f")
    place.wait_for(r"out")
    written: set[str] = set()
    for words in (["restart"], ["up", "-d", "--scale", "web=2"], ["up", "-d", "--scale", "web=2", "--force-recreate"]):
        # what a container has written, it can be asked for until it is replaced
        written |= set(counted(place.run("logs")))
        place.run(*words)
        time.sleep(1)
    written |= set(counted(place.run("logs")))
    place.run("stop")
    written |= set(counted(place.run("logs")))
    assert process.wait(20) == 0
    shown = counted((place.folder / "output").read_text())
    assert len(shown) == len(set(shown))
    assert written <= set(shown)
    hosts = {line.split()[0] for line in shown}
    assert len(hosts) == 4
    assert "web-1 exited with code 137" in (place.folder / "output").read_text()


def test_tail_then_follow_shows_the_last_lines_and_all_that_comes(place: Place) -> None:
    place.write("  web: {image: IMAGE, tty: true, command: [sh, -c, 'for i in 1 2 3; do echo $$i; done; cat']}\n")
    place.run("up", "-d")
    place.begin("logs", "-f", "--tail", "1")
    assert re.findall(r"\| (\d)$", place.wait_for(r"\| 3$"), re.MULTILINE) == ["3"]


def test_attached_up_shows_output_and_exits_as_told(place: Place) -> None:
    place.write(PAIR)
    done = place.result("up", "--abort-on-container-exit")
    assert done.returncode == 4
    assert re.search(r"^a-1 +\| a starts$", done.stdout, re.MULTILINE)
    assert re.search(r"^a-1 +\| a err$", done.stderr, re.MULTILINE)
    assert "b-1 exited with code 4" in done.stdout
    assert place.run("ps", "-q") == ""


def test_attached_up_can_exit_with_the_code_of_one_service_and_hide_another(place: Place) -> None:
    place.write(PAIR)
    done = place.result("up", "--exit-code-from", "a", "--no-attach", "a", "--no-log-prefix")
    assert done.returncode == 137
    assert done.stdout == "b starts\nb ends\nb-1 exited with code 4\n"


def test_attached_up_ends_when_all_has_ended(place: Place) -> None:
    place.write(PAIR)
    assert place.result("up", "b").returncode == 0


def test_abort_on_failure_lets_a_success_pass(place: Place) -> None:
    place.write(
        """\
  good: {image: IMAGE, command: [sh, -c, exit 0]}
  bad: {image: IMAGE, command: [sh, -c, sleep 1; exit 7]}
  long: {image: IMAGE, command: [sleep, "1000"], stop_grace_period: 0s}"""
    )
    assert place.result("up", "--abort-on-container-failure").returncode == 7


@pytest.mark.parametrize(("presses", "grace"), [(1, "2s"), (2, "10m")])
def test_ctrl_c_stops_the_containers_and_twice_kills_them(place: Place, presses: int, grace: str) -> None:
    place.write(
        f"""\
  slow:
    image: IMAGE
    command: [sh, -c, 'trap "echo asked" TERM; echo ready; while true; do sleep 0.1; done']
    stop_grace_period: {grace}"""
    )
    process = place.begin("up")
    place.wait_for("ready")
    process.send_signal(signal.SIGINT)
    place.wait_for("slow-1 .*asked")
    for _ in range(presses - 1):
        process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130
    assert "exited with code 137" in (place.folder / "output").read_text()
    assert place.run("ps", "-q") == ""


def test_attached_and_detached_contradict_each_other(place: Place) -> None:
    place.write(PAIR)
    assert place.result("up", "-d", "--abort-on-container-exit").returncode == 64
