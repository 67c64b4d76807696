"""ps, ls, images, volumes, port, top, stats, events, wait, logs against a real engine, by file and by labels alone."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import time

import pytest

from tests.engine.cli.conftest import Place

pytestmark = pytest.mark.root

SERVICES = """\
  web:
    image: IMAGE
    command: [sh, -c, 'echo out; echo err >&2; exec sleep 1000']
    deploy: {replicas: 2}
    ports: ["81"]
    volumes: ["data:/data"]
    stop_grace_period: 0s
  job:
    image: IMAGE
    command: [sh, -c, 'echo done; exit 3']
    volumes: ["other:/other"]"""


@pytest.fixture(scope="module")
def up(shared: Place) -> Place:
    shared.write(SERVICES, "volumes: {data: {}, other: {}}")
    shared.run("up", "-d")
    shared.run("wait", "job", code=3)
    return shared


def test_ps_shows_what_runs_and_with_all_what_ran(up: Place) -> None:
    lines = up.run("ps").splitlines()
    assert lines[0].split() == ["NAME", "IMAGE", "COMMAND", "SERVICE", "CREATED", "STATUS", "PORTS"]
    assert [line.split()[0] for line in lines[1:]] == [f"{up.name}-web-1", f"{up.name}-web-2"]
    assert re.search(r"0\.0\.0\.0:\d+->81/tcp", lines[1])
    assert f"{up.name}-job-1" in up.run("ps", "-a")
    assert up.run("ps", "--status", "exited", "--format", "{{.Service}} {{.ExitCode}}") == "job 3\n"
    assert up.run("ps", "-a", "--services").split() == ["job", "web"]
    assert up.run("ps", "job").splitlines()[1:] == []


def test_ps_needs_no_file_where_the_name_is_said(up: Place) -> None:
    (up.folder / "elsewhere").mkdir(exist_ok=True)
    rows = up.run("-p", up.name, "--project-directory", "elsewhere", "ps", "--format", "json").splitlines()
    assert [json.loads(row)["Service"] for row in rows] == ["web", "web"]
    assert up.run("-p", "cli-nobody", "ps", "-q") == ""


def test_ps_ids_are_whole(up: Place) -> None:
    assert all(re.fullmatch("[0-9a-f]{64}", line) for line in up.run("ps", "-q").splitlines())


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["ps", "nobody"], 1, "no such service: nobody"),
        (["ps", "--format", "{{.Nope}}"], 1, "no field .Nope"),
        (["ps", "--filter", "x=y"], 64, "status=STATE"),
        (["ps", "--status", "odd"], 1, 'no status "odd"'),
        (["logs", "nobody"], 1, "no such service: nobody"),
        (["logs", "--tail", "few"], 64, "--tail"),
        (["logs", "--since", "whenever"], 1, "--since"),
        (["logs", "--index", "9", "web"], 1, "container #9"),
        (["port", "web", "99"], 1, "81/tcp"),
        (["port", "job", "80"], 1, "not running"),
        (["exec", "job", "true"], 1, 'service "job" is not running'),
        (["wait", "nobody"], 1, "no such service"),
    ],
)
def test_what_can_not_be_is_said_in_words(up: Place, words: list[str], code: int, message: str) -> None:
    done = up.result(*words)
    assert done.returncode == code
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_ls_lists_projects_of_any_tool(up: Place) -> None:
    row = next(p for p in json.loads(up.run("ls", "-a", "--format", "json")) if p["Name"] == up.name)
    assert row["Status"] == "exited(1), running(2)"
    assert row["ConfigFiles"] == str(up.folder / "compose.yaml")
    assert up.run("ls", "-q", "--filter", f"name=^{up.name}$") == f"{up.name}\n"


def test_images_and_volumes_are_those_of_the_project(up: Place) -> None:
    found = json.loads(up.run("images", "--format", "json"))
    assert {(i["ContainerName"], f"{i['Repository']}:{i['Tag']}") for i in found} == {
        (f"{up.name}-{name}", up.engine.image) for name in ("job-1", "web-1", "web-2")
    }
    assert len(up.run("images", "-q").split()) == 1
    assert up.run("volumes", "-q").split() == [f"{up.name}_data", f"{up.name}_other"]
    assert up.run("volumes", "-q", "job").split() == [f"{up.name}_other"]


def test_port_is_the_hosts_address_of_one_replica(up: Place) -> None:
    first, second = up.run("port", "web", "81").strip(), up.run("port", "--index", "2", "web", "81").strip()
    assert re.fullmatch(r"0\.0\.0\.0:\d+", first)
    assert first != second


def test_top_shows_each_process_with_its_service(up: Place) -> None:
    lines = up.run("top").splitlines()
    assert lines[0].split()[:2] == ["SERVICE", "#"]
    assert sorted(line.split()[1] for line in lines[1:] if "sleep 1000" in line) == ["1", "2"]


def test_stats_once_is_a_row_a_container(up: Place) -> None:
    rows = [json.loads(line) for line in up.run("stats", "--no-stream", "--format", "json").splitlines()]
    assert sorted(row["Name"] for row in rows) == [f"{up.name}-web-1", f"{up.name}-web-2"]
    assert all(re.fullmatch(r"[\d.]+%", row["CPUPerc"]) and row["PIDs"] == "1" for row in rows)


def test_stats_go_on_until_ctrl_c(up: Place) -> None:
    process = up.begin("stats", "--format", "{{.Name}} {{.MemUsage}}", "web", output="stats")
    up.wait_for(rf"^{up.name}-web-1 [\d.]+[KM]iB / ", "stats")
    process.terminate()
    process.wait(10)


def test_logs_are_whole_lines_with_aligned_prefixes(up: Place) -> None:
    lines = up.run("logs").splitlines()
    assert sorted(lines) == sorted(["job-1  | done", "web-1  | out", "web-1  | err", "web-2  | out", "web-2  | err"])
    assert up.run("logs", "--no-log-prefix", "--tail", "1", "job") == "done\n"
    assert re.fullmatch(r"job-1  \| \d{4}-\d\d-\d\dT[\d:]+\.\d{9}Z done\n", up.run("logs", "-t", "job"))
    assert set(up.run("logs", "--index", "2", "web").split()) == {"web-2", "|", "out", "err"}
    assert up.run("logs", "--until", "2000-01-01") == ""


def test_events_come_as_they_happen_for_the_services_asked_for(up: Place) -> None:
    live = up.begin("events", "--json", "job", output="events")
    other = up.begin("events", "web", output="other-events")
    # an engine tells of nothing that happened before it was asked
    time.sleep(2)
    up.run("restart", "job")
    up.wait_for('"action":"start"', "events")
    found = [json.loads(line) for line in (up.folder / "events").read_text().splitlines()]
    assert {e["service"] for e in found} == {"job"}
    assert all(not key.startswith(("com.docker.compose", "io.rorqual.")) for e in found for key in e["attributes"])
    assert found[0]["attributes"]["name"] == f"{up.name}-job-1"
    assert (up.folder / "other-events").read_text() == ""
    for process in (live, other):
        process.terminate()
        process.wait(10)


def test_events_of_the_past_end_by_themselves(up: Place) -> None:
    up.run("events", "--since", "1s", "--until", "0s")


def test_wait_passes_the_exit_code_through(up: Place) -> None:
    assert up.run("wait", "job", code=3) == f'container "{up.name}-job-1" exited with status code 3\n'


def test_wait_can_take_the_project_down(place: Place) -> None:
    place.write(SERVICES, "volumes: {data: {}, other: {}}")
    place.run("up", "-d")
    place.run("wait", "--down-project", "job", code=3)
    assert place.run("ps", "-a", "-q") == ""


def test_ps_looks_while_containers_come_and_go(place: Place) -> None:
    place.write(SERVICES, "volumes: {data: {}, other: {}}")
    process = place.begin("up", "-d")
    deadline = time.monotonic() + 30
    while process.poll() is None and time.monotonic() < deadline:
        place.run("ps", "-a")
    assert process.wait() == 0


@pytest.mark.parametrize(
    "words", [["logs", "-f"], ["logs"], ["exec", "-T", "web", "yes"], ["export", "web"], ["stats"]]
)
def test_a_reader_that_goes_away_is_no_failure(up: Place, words: list[str]) -> None:
    command = " ".join(up.command(words))
    done = subprocess.run(
        ["bash", "-c", f"{command} | head -c 1 >/dev/null; echo ${{PIPESTATUS[0]}}"],
        cwd=up.folder,
        env=up.environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.stdout, done.stderr) == ("0\n", "")


@pytest.mark.parametrize("words", [["logs", "-f"], ["exec", "-T", "web", "sleep", "100"], ["events"], ["stats"]])
def test_ctrl_c_ends_what_only_looks_with_130_and_no_word(up: Place, words: list[str]) -> None:
    process = up.begin(*words, output="interrupted")
    time.sleep(2)
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 130
    assert "Traceback" not in (up.folder / "interrupted").read_text()


def test_a_dry_run_touches_nothing(up: Place) -> None:
    before = up.run("ps", "-a", "-q")
    for words in (["exec", "web", "rm", "-rf", "/srv"], ["cp", "compose.yaml", "web:/tmp/x"], ["commit", "web", "x:1"]):
        assert up.run("--dry-run", *words).startswith("would ")
    assert up.result("exec", "web", "ls", "/tmp/x").returncode == 1
    up.run("--dry-run", "run", "--rm", "web", "true")
    assert up.run("ps", "-a", "-q") == before
