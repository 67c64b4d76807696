"""exec, attach, run, cp, commit, export against a real engine; the terminals are real ones."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import tarfile
import time
from typing import Any

import pytest

from tests.engine.cli.conftest import Place, Terminal

pytestmark = pytest.mark.root

SERVICES = """\
  web:
    image: IMAGE
    command: [sleep, "1000"]
    environment: {FROM: file}
    deploy: {replicas: 2}
    volumes: ["data:/data"]
    depends_on: {db: {condition: service_healthy}}
    stop_grace_period: 0s
  db:
    image: IMAGE
    command: [sleep, "1000"]
    healthcheck: {test: "true", interval: 1s}
    stop_grace_period: 0s
  shell: {image: IMAGE, command: [sh], tty: true, stdin_open: true, stop_grace_period: 0s}
  reader: {image: IMAGE, command: [sh, -c, 'read x; echo "got $$x"; exit 6'], stdin_open: true}
  trapper:
    image: IMAGE
    command: [sh, -c, 'trap "echo trapped; exit 42" INT; echo ready; while true; do sleep 0.1; done']
    stop_grace_period: 0s"""


@pytest.fixture(scope="module")
def up(shared: Place) -> Place:
    shared.write(SERVICES, "volumes: {data: {}}")
    shared.run("up", "-d", "--scale", "trapper=0")
    return shared


def test_exec_passes_output_input_and_exit_code_through(up: Place) -> None:
    done = up.result("exec", "web", "sh", "-c", "cat; echo err >&2; exit 7", stdin="typed")
    assert (done.stdout, done.stderr, done.returncode) == ("typed", "err\n", 7)


def test_exec_takes_big_input_whole(up: Place) -> None:
    assert up.run("exec", "-T", "web", "wc", "-c", stdin=b"x" * 3_000_000).strip() == "3000000"


def test_dockers_it_is_understood_without_a_terminal_here(up: Place) -> None:
    assert up.run("exec", "-it", "web", "tty").startswith("/dev/pts/")
    assert up.run("run", "--rm", "--no-deps", "-it", "web", "tty").startswith("/dev/pts/")


def test_execs_flags_say_who_where_and_with_what(up: Place) -> None:
    words = ["exec", "-u", "nobody", "-w", "/tmp", "-e", "A=b", "-e", "HOME", "web"]
    assert up.run(*words, "sh", "-c", "id -un; pwd; echo $A $FROM $HOME").split() == [
        *("nobody", "/tmp", "b", "file"),
        os.environ["HOME"],
    ]


def test_exec_finds_the_replica_and_needs_no_file(up: Place) -> None:
    assert up.run("exec", "--index", "2", "web", "hostname") != up.run("exec", "--index", "1", "web", "hostname")
    assert up.run("-p", up.name, "exec", "web", "echo", "-n", "hi") == "hi"


def test_exec_in_the_background_returns_at_once(up: Place) -> None:
    up.run("exec", "-d", "web", "sh", "-c", "sleep 0.5; echo later > /tmp/later")
    deadline = time.monotonic() + 10
    while up.result("exec", "web", "cat", "/tmp/later").stdout != "later\n":
        assert time.monotonic() < deadline
        time.sleep(0.2)


def opened(terminal: Terminal) -> Terminal:
    terminal.wait_for(rb"# ")
    return terminal


def test_exec_has_a_real_terminal_with_its_size_and_keys(up: Place) -> None:
    terminal = up.terminal("exec", "web", "sh")
    terminal.size(33, 101)
    opened(terminal)
    terminal.type(b"tty; stty size\r")
    assert b"/dev/pts/" in terminal.wait_for(rb"33 101\r")
    terminal.size(44, 90)
    time.sleep(0.5)
    terminal.type(b"stty size\r")
    terminal.wait_for(rb"44 90\r")
    terminal.type(b"sleep 1000\r")
    terminal.wait_for(rb"1000\r")
    # the shell's line editor drops keys while it hands the terminal over
    time.sleep(0.5)
    terminal.type(b"\x03")
    terminal.wait_for(rb"# ")
    assert not terminal.restored
    terminal.type(b"exit 9\r")
    assert terminal.end() == 9
    assert terminal.restored


def test_the_terminal_is_given_back_by_detaching_and_by_a_signal(up: Place) -> None:
    left = opened(up.terminal("exec", "web", "sh"))
    left.type(b"\x10\x11")
    assert left.end() == 0
    assert left.restored
    ended = opened(up.terminal("exec", "web", "sh"))
    os.kill(ended.pid, signal.SIGTERM)
    assert ended.end() == 128 + signal.SIGTERM
    assert ended.restored


def test_no_terminal_is_made_where_none_is_wanted(up: Place) -> None:
    terminal = up.terminal("exec", "-T", "web", "tty")
    terminal.wait_for(rb"not a tty")
    assert terminal.end() == 1


def test_attach_joins_the_main_process_and_can_leave_it(up: Place) -> None:
    terminal = up.terminal("attach", "shell")
    time.sleep(1)
    terminal.type(b"echo $((6*7))\r")
    terminal.wait_for(rb"42\r")
    terminal.type(b"\x10\x11")
    assert terminal.end() == 0
    assert terminal.restored
    other = up.terminal("attach", "--detach-keys", "x,y", "shell")
    time.sleep(1)
    other.type(b"xy")
    assert other.end() == 0
    assert "shell" in up.run("ps", "--services")


def test_attach_sends_input_and_passes_the_exit_code_through(up: Place) -> None:
    assert up.run("attach", "reader", stdin="words\n", code=6) == "got words\n"


def test_signals_go_to_the_attached_process(up: Place) -> None:
    up.run("up", "-d", "trapper")
    process = up.begin("attach", "--no-stdin", "trapper", output="attached")
    time.sleep(2)
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 42
    assert "trapped" in (up.folder / "attached").read_text()


def test_run_is_a_container_of_its_own_that_goes_when_it_ends(up: Place) -> None:
    words = ["run", "--rm", "-e", "A=b", "-w", "/tmp", "-u", "nobody", "web"]
    done = up.result(*words, "sh", "-c", "cat; id -un; pwd; echo $A $FROM; exit 5", stdin="in\n")
    assert (done.stdout.split(), done.returncode) == (["in", "nobody", "/tmp", "b", "file"], 5)
    assert "run" not in up.run("ps", "-a", "--format", "{{.Name}}")


def test_run_makes_what_it_needs_and_nothing_else(place: Place) -> None:
    place.write(SERVICES, "volumes: {data: {}}")
    assert place.run("run", "--rm", "web", "hostname", "-i").count(".") == 3
    assert place.run("ps", "-a", "--services").split() == ["db"]
    assert place.run("volumes", "-q").split() == [f"{place.name}_data"]


def test_runs_flags_reach_the_container(up: Place) -> None:
    name = f"{up.name}-mine"
    words = ["--name", name, "-l", "a=b", "-p", "90", "-v", f"{up.folder}:/mnt:ro", "--cap-add", "NET_ADMIN"]
    assert up.run("run", "-d", "--no-deps", "--entrypoint", "sleep 1000", *words, "web").strip() == name
    found = inspected(up, name)
    labels = found["Config"]["Labels"]
    assert (labels["a"], labels["com.docker.compose.oneoff"], labels["com.docker.compose.service"]) == (
        "b",
        "True",
        "web",
    )
    assert re.fullmatch("[0-9a-f]{12}", labels["com.docker.compose.slug"])
    assert found["HostConfig"]["PortBindings"].keys() == {"90/tcp"}
    assert f"{up.folder}:/mnt:ro" in found["HostConfig"]["Binds"]
    assert found["HostConfig"]["CapAdd"] == ["NET_ADMIN"]
    aliases = [a for n in found["NetworkSettings"]["Networks"].values() for a in n["Aliases"] or ()]
    assert "web" not in aliases
    # the service's own containers are left alone, and a one-off is none of them
    assert up.run("ps", "-q", "web").count("\n") == 2


def docker(place: Place, *words: str) -> str:
    command = ["docker", "-H", place.engine.host, *words]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def inspected(place: Place, name: str) -> Any:
    return json.loads(docker(place, "inspect", "--format", "{{json .}}", name))


def test_run_has_a_real_terminal(up: Place) -> None:
    terminal = up.terminal("run", "--rm", "--no-deps", "web", "sh")
    terminal.size(21, 81)
    opened(terminal)
    terminal.type(b"stty size\r")
    terminal.wait_for(rb"21 81\r")
    terminal.type(b"exit 3\r")
    assert terminal.end() == 3
    assert terminal.restored


def test_run_forwards_signals_where_there_is_no_terminal(up: Place) -> None:
    process = up.begin("run", "--rm", "--no-deps", "trapper", output="run")
    up.wait_for("ready", "run")
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 42


def test_run_of_what_is_not_there_leaves_nothing(up: Place) -> None:
    done = up.result("run", "--rm", "--no-deps", "web", "no-such-program")
    assert done.returncode == 1
    assert "no-such-program" in done.stderr and "Traceback" not in done.stderr
    assert "no-such-program" not in up.run("ps", "-a", "--no-trunc")


def test_cp_goes_both_ways_by_the_rules_of_docker_cp(up: Place) -> None:
    tree = up.folder / "tree"
    (tree / "sub").mkdir(parents=True)
    (tree / "sub/file").write_text("content")
    (tree / "link").symlink_to("sub/file")
    up.run("cp", "tree", "web:/tmp/new")
    up.run("cp", "tree", "web:/tmp")
    up.run("cp", "tree/.", "web:/srv")
    for index in ("1", "2"):
        for path in ("/tmp/new/sub/file", "/tmp/tree/link", "/srv/sub/file"):
            assert up.run("exec", "--index", index, "web", "cat", path) == "content"
    back = up.folder / "back"
    up.run("cp", "web:/tmp/tree", "back")
    assert (back / "sub/file").read_text() == "content"
    assert (back / "link").is_symlink()
    up.run("cp", "web:/tmp/tree", "back")
    assert (back / "tree/sub/file").read_text() == "content"
    up.run("cp", "web:/tmp/tree/.", "back")
    up.run("cp", "-L", "web:/tmp/tree/link", "followed")
    assert (up.folder / "followed").read_text() == "content"


def test_cp_streams_tars(up: Place) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        entry = tarfile.TarInfo("streamed")
        entry.size = 4
        tar.addfile(entry, io.BytesIO(b"data"))
    up.run("cp", "--index", "1", "-", "web:/tmp", stdin=buffer.getvalue())
    assert up.run("exec", "web", "cat", "/tmp/streamed") == "data"
    assert "streamed" in up.run("cp", "web:/tmp/streamed", "-")


@pytest.mark.parametrize(
    ("source", "target", "code", "message"),
    [
        ("nothing", "web:/tmp", 1, "nothing"),
        ("web:/nothing", "x", 1, "/nothing"),
        ("a", "b", 64, "SERVICE:PATH"),
        ("web:/a", "db:/b", 64, "SERVICE:PATH"),
        ("web:/etc/passwd", "nowhere/x/", 1, "nowhere/x/"),
        ("nobody:/a", "b", 1, "nobody"),
    ],
)
def test_cp_that_can_not_be_is_said_in_words(up: Place, source: str, target: str, code: int, message: str) -> None:
    done = up.result("cp", source, target)
    assert (done.returncode, message in done.stderr, "Traceback" in done.stderr) == (code, True, False)


def test_commit_makes_an_image_that_runs(up: Place) -> None:
    up.run("exec", "web", "sh", "-c", "echo kept > /kept")
    image = f"{up.name}-committed:1"
    made = up.run("commit", "-m", "why", "-c", "ENV B=c", "web", image).strip()
    try:
        assert made.startswith("sha256:")
        up.write(f"  again: {{image: '{image}', command: [sh, -c, 'cat /kept; echo $$B']}}")
        assert up.run("run", "--rm", "again").split() == ["kept", "c"]
    finally:
        up.write(SERVICES, "volumes: {data: {}}")
        docker(up, "rmi", image)


def test_export_is_the_whole_file_system(up: Place) -> None:
    up.run("export", "-o", "web.tar", "web")
    with tarfile.open(up.folder / "web.tar") as tar:
        names = set(tar.getnames())
    assert {"bin", "etc/passwd"} <= names
    terminal = up.terminal("export", "web")
    terminal.wait_for(rb"-o")
    assert terminal.end() == 64
