"""Builds on the embedded engine, by the API and by `docker build`: texts, cache, mounts, sources, refusals."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import socket
import subprocess
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from tests.busybox import REFERENCE
from tests.dockerfiles import docker, packed
from tests.engine.daemon.api import Api
from tests.engines import RunningEngine

pytestmark = pytest.mark.root
FROM = f"FROM {REFERENCE}\n"
EXTENDED = "application/vnd.rorqual.build.v1+tar"


def tar_of(files: Mapping[str, bytes | str]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            data = content if isinstance(content, bytes) else content.encode()
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), 0o644
            archive.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


class Builds:
    def __init__(self, engine: RunningEngine) -> None:
        self.engine = engine

    def lines(self, text: str, files: Mapping[str, bytes | str] | None = None, **query: Any) -> list[dict[str, Any]]:
        """The lines of an answer that is 200."""
        status, lines = self.call(tar_of({"Dockerfile": text, **(files or {})}), **query)
        assert status == 200, lines
        return list(lines)

    def call(self, body: bytes, kind: str = "application/x-tar", **query: Any) -> tuple[int, Any]:
        words = urlencode({k: json.dumps(v) if isinstance(v, dict | list) else v for k, v in query.items()})
        with closing(Api(self.engine.socket)) as api:
            api.request("POST", f"/v1.41/build?{words}", body, {"Content-Type": kind})
            answer = api.getresponse()
            content = answer.read().splitlines()
        found = [json.loads(line) for line in content]
        return answer.status, found if answer.status == 200 else found[0]["message"]

    def said(self, text: str, files: Mapping[str, bytes | str] | None = None, **query: Any) -> str:
        lines = self.lines(text, files, **query)
        assert not any("error" in line for line in lines), lines
        return "".join(line.get("stream", "") for line in lines)

    def fault(self, text: str, files: Mapping[str, bytes | str] | None = None, **query: Any) -> dict[str, Any]:
        return dict(self.lines(text, files, **query)[-1]["errorDetail"])

    def post(self, path: str) -> dict[str, Any]:
        with closing(Api(self.engine.socket)) as api:
            return dict(api.call("POST" if "prune" in path else "GET", f"/v1.50{path}")[1])

    def file(self, tag: str, path: str) -> str:
        return docker(self.engine.socket, "run", "--rm", tag, "cat", path).stdout.decode()

    def inspect(self, tag: str) -> dict[str, Any]:
        (found,) = json.loads(docker(self.engine.socket, "image", "inspect", tag).stdout)
        return dict(found)


@pytest.fixture(scope="module")
def builds(rorqual_engine: RunningEngine) -> Builds:
    return Builds(rorqual_engine)


# --- what is told -------------------------------------------------------------------------------------------------
def test_a_build_tells_what_dockers_clients_look_for(builds: Builds) -> None:
    lines = builds.lines(FROM + "RUN echo out; echo err >&2\nENV A=1\n", t="told", nocache=1)
    text = "".join(line.get("stream", "") for line in lines)
    assert re.search(
        r"Step 1/3 : FROM rorqual/test-busybox:1\n ---> [0-9a-f]{12}\n"
        r"Step 2/3 : RUN echo out; echo err >&2\n ---> Running in [0-9a-f]{12}\n",
        text,
    )
    assert "out\n" in text and "\x1b[91merr\n\x1b[0m" in text
    assert re.search(r"Removing intermediate container [0-9a-f]{12}\n ---> [0-9a-f]{12}\nStep 3/3 : ENV A=1\n", text)
    (aux,) = [line["aux"]["ID"] for line in lines if "aux" in line]
    assert aux == builds.inspect("told")["Id"]
    assert text.endswith(f"Successfully built {aux[7:19]}\nSuccessfully tagged told:latest\n")


def test_a_failed_command_ends_the_build_within_its_stream_with_its_code(builds: Builds) -> None:
    fault = builds.fault(FROM + "RUN exit 3\n", t="failed", rm=1, forcerm=1)
    assert fault == {"code": 3, "message": "The command '/bin/sh -c exit 3' returned a non-zero code: 3"}
    assert docker(builds.engine.socket, "image", "inspect", "failed", check=False).returncode != 0
    assert builds.fault(FROM + 'RUN ["false", "x"]\n', forcerm=1)["message"].startswith("The command 'false x' ret")


def test_a_quiet_build_tells_the_id_alone(builds: Builds, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(FROM + "RUN echo loud\n")
    done = docker(builds.engine.socket, "build", "-q", "-t", "quiet", str(tmp_path))
    assert done.stdout.decode().strip() == builds.inspect("quiet")["Id"]


@pytest.mark.parametrize(
    ("text", "query", "told"),
    [
        ("FROM a\nRUNN x\n", {}, "dockerfile parse error line 2: unknown instruction: RUNN (did you mean RUN?)"),
        ("FROM a\nRUNN x\n", {}, "Dockerfile:2:1: error[unknown-instruction]"),
        ("FROM a\nCOPY --form=x a b\nUSR b\n", {}, "Dockerfile:3:1: error[unknown-instruction]"),
        ("FROM a AS one\n", {"target": "on"}, "target stage on could not be found (did you mean one?)"),
        ("FROM a\n", {"dockerfile": "Other"}, "Cannot locate specified Dockerfile: Other"),
        ("FROM a\n", {"dockerfile": "../Dockerfile"}, "Forbidden path outside the build context: ../Dockerfile"),
        ("\n", {}, "the Dockerfile (Dockerfile) cannot be empty"),
        ("FROM a\n", {"squash": 1}, "squash is only supported with experimental mode"),
        ("FROM a\n", {"platform": "linux/s390x"}, "the platform linux/s390x was asked for"),
        ("FROM a\n", {"t": "A:B:C"}, "invalid reference format"),
        ("FROM a\n", {"buildargs": [1]}, "buildargs must be a JSON object"),
        ("FROM a\n", {"memory": "much"}, "invalid value for memory"),
    ],
)
def test_what_cant_be_built_is_refused_before_anything_is_done(
    builds: Builds, text: str, query: dict[str, Any], told: str
) -> None:
    status, message = builds.call(tar_of({"Dockerfile": text}), **query)
    assert status == 400
    assert told in message


def test_buildkits_requests_are_refused_with_the_way_out(builds: Builds) -> None:
    status, message = builds.call(tar_of({"Dockerfile": FROM}), version=2)
    assert status == 501 and "DOCKER_BUILDKIT=0" in message


def test_faults_within_the_stream_say_what_to_do(builds: Builds) -> None:
    assert "connection refused" in builds.fault("FROM 127.0.0.1:1/none\n")["message"]
    message = builds.fault(FROM + "COPY gone /x\n")["message"]
    assert message.startswith("COPY failed: file not found in build context or excluded by .dockerignore: stat gone")
    assert "no source files were specified" in builds.fault(FROM + "COPY *.x /x/\n")["message"]
    many = builds.fault(FROM + "COPY a b /x\n", {"a": "", "b": ""})["message"]
    assert many.endswith("the destination must be a directory and end with a /")
    assert "can't find uid for user me" in builds.fault(FROM + "COPY --chown=me a /x\n", {"a": ""})["message"]
    assert "A: say A" in builds.fault(FROM + 'ENV B="${A:?say A}"\n')["message"]
    assert "unable to find user ghost" in builds.fault(FROM + "USER ghost\nRUN true\n")["message"]


def test_unused_arguments_are_told(builds: Builds) -> None:
    said = builds.said(FROM + "ARG A\nENV X=$A\n", buildargs={"A": "1", "B": "2", "HTTP_PROXY": "p"})
    assert "[Warning] One or more build-args [B] were not consumed\n" in said


# --- the cache ----------------------------------------------------------------------------------------------------
def test_a_step_is_found_again_by_its_inputs_content(builds: Builds) -> None:
    text = FROM + "COPY a /a\nRUN cat /a > /b\nCOPY b /c\nRUN cat /c > /d\n"
    builds.said(text, {"a": "1", "b": "2", "other": "x"}, t="cached")
    first = builds.inspect("cached")["Id"]
    again = builds.said(text, {"a": "1", "b": "2", "other": "changed"}, t="cached")
    assert again.count("Using cache") == 4 and builds.inspect("cached")["Id"] == first
    changed = builds.said(text, {"a": "1", "b": "3"}, t="cached")
    assert changed.count("Using cache") == 2
    assert builds.file("cached", "/d") == "3"
    assert builds.said(text, {"a": "1", "b": "3"}, nocache=1).count("Using cache") == 0


def test_an_argument_counts_where_a_command_may_see_it(builds: Builds) -> None:
    text = FROM + "RUN echo early > /e\nARG V=1\nRUN echo $V > /v\n"
    builds.said(text, t="argued")
    said = builds.said(text, t="argued", buildargs={"V": "2"})
    assert said.count("Using cache") == 2 and builds.file("argued", "/v") == "2\n"
    assert builds.said(text, buildargs={"V": "2", "HTTP_PROXY": "http://p"}).count("Using cache") == 3


def test_cachefrom_takes_what_led_to_those_images_and_nothing_else(builds: Builds) -> None:
    text = FROM + "RUN echo from > /from\nCMD x\nENV A=from\n"
    builds.said(text, t="lineage")
    assert builds.said(text, cachefrom=["lineage"]).count("Using cache") == 3
    assert builds.said(text, cachefrom=["nosuch"]).count("Using cache") == 0


def test_the_cache_outlives_its_images_is_counted_and_can_be_pruned(builds: Builds) -> None:
    text = FROM + "RUN head -c 100000 /dev/zero > /zeros\n"
    builds.said(text, t="kept")
    docker(builds.engine.socket, "rmi", "kept")
    assert "Using cache" in builds.said(text, t="kept")
    df = builds.post("/system/df?type=build-cache")
    entry = next(e for e in df["BuildCache"] if "/zeros" in e["Description"])
    assert (entry["Size"], entry["Shared"], entry["Type"]) == (100000, True, "regular")
    docker(builds.engine.socket, "rmi", "kept")
    pruned = builds.post("/build/prune?all=1")
    assert entry["ID"] in pruned["CachesDeleted"] and pruned["SpaceReclaimed"] >= 100000
    assert "Using cache" not in builds.said(text)
    again = builds.post("/build/prune?all=1&filters=" + quote('{"until":["24h"]}'))
    assert again["CachesDeleted"] is None


def test_with_source_date_epoch_the_same_inputs_give_the_same_digest(builds: Builds) -> None:
    text = FROM + "ARG SOURCE_DATE_EPOCH\nCOPY d /d\nRUN date > /dev/null; touch /t; mkdir /n; ln -s x /l\nWORKDIR /w\n"
    digests = set()
    for number in range(2):
        files = {"d/a": "1", "d/b": "2"} if number else {"d/b": "2", "d/a": "1"}
        builds.said(text, files, t="repeated", nocache=1, buildargs={"SOURCE_DATE_EPOCH": "1000000000"})
        digests.add(builds.inspect("repeated")["Id"])
    assert len(digests) == 1
    found = builds.inspect("repeated")
    assert found["Created"].startswith("2001-09-09T01:46:40")
    stat = docker(builds.engine.socket, "run", "--rm", "repeated", "stat", "-c", "%Y", "/t", "/n", "/d/a").stdout
    assert stat.split() == [b"1000000000", b"1000000000", b"0"]


# --- stages -------------------------------------------------------------------------------------------------------
def test_stages_that_nobody_needs_are_not_built(builds: Builds) -> None:
    text = f"{FROM.strip()} AS unused\nRUN exit 1\n{FROM}RUN true\n"
    assert "Step 1/2 : FROM" in builds.said(text)


def test_stages_run_side_by_side_and_speak_one_after_the_other(builds: Builds) -> None:
    """Each waits for the other through a cache mount that both have: one at a time, neither would end."""
    meet = (
        "RUN --mount=type=cache,id=meet,target=/m touch /m/{me}; "
        "until [ -e /m/{other} ]; do sleep 0.05; done; echo {me}"
    )
    text = (
        f"{FROM.strip()} AS one\n{meet.format(me='one', other='two')}\n"
        f"{FROM.strip()} AS two\n{meet.format(me='two', other='one')}\n"
        f"{FROM}COPY --from=one /bin/sh /1\nCOPY --from=two /bin/sh /2\n"
    )
    said = builds.said(text, nocache=1)
    assert [int(n) for n in re.findall(r"Step (\d+)/7", said)] == [1, 2, 3, 4, 5, 6, 7]


# --- RUN ----------------------------------------------------------------------------------------------------------
def test_here_documents_are_scripts_files_and_input(builds: Builds) -> None:
    text = (
        FROM
        + "ARG N=me\nRUN <<EOF\necho $N > /a\necho two >> /a\nEOF\n"
        + "RUN <<-'X' cat > /b\n\tlit $N\n\tX\n"
        + "RUN <<EOF\n#!/bin/cat\nscript\nEOF\n"
        + 'COPY <<one <<"two" /d/\n$N\none\n$N\ntwo\n'
    )
    said = builds.said(text, t="heredocs")
    assert "#!/bin/cat\nscript\n" in said
    assert builds.file("heredocs", "/a") == "me\ntwo\n"
    assert builds.file("heredocs", "/b") == "lit $N\n"
    assert (builds.file("heredocs", "/d/one"), builds.file("heredocs", "/d/two")) == ("me\n", "$N\n")


def test_mounts_are_there_for_their_step_and_leave_nothing(builds: Builds) -> None:
    text = (
        f"{FROM.strip()} AS src\nRUN mkdir /o && echo stage > /o/f\n{FROM}WORKDIR /w\n"
        "RUN --mount=target=/ctx --mount=type=bind,from=src,source=/o,target=s,rw "
        "--mount=type=tmpfs,target=/fast,size=1m cat /ctx/a s/f > /out; echo x > s/new; ! touch /ctx/new; "
        "mount | grep -c 'tmpfs on /fast .*size=1024k' >> /out\n"
        "RUN --mount=type=cache,target=/cache,mode=0700,uid=5 echo more >> /cache/n; wc -l < /cache/n > /count; "
        "stat -c '%u %a' /cache >> /count\n"
    )
    builds.said(text, {"a": "context\n"}, t="mounted", nocache=1)
    assert builds.file("mounted", "/out") == "context\nstage\n1\n"
    assert builds.file("mounted", "/count") == "1\n5 700\n"
    builds.said(text, {"a": "context\n"}, t="mounted", nocache=1)
    assert builds.file("mounted", "/count") == "2\n5 700\n"
    left = docker(builds.engine.socket, "run", "--rm", "mounted", "sh", "-c", "ls -d /ctx /fast /cache /w/s; true")
    assert left.stdout == b""


def test_networks_hosts_and_limits_are_those_asked_for(builds: Builds) -> None:
    text = FROM + "RUN --network=none ip a | grep -c ': eth' > /n; cat /etc/hosts > /h\nRUN ls /sys/class/net > /all\n"
    said = builds.said(
        text + "RUN df -k /dev/shm | tail -1 > /s; ulimit -n > /u\n",
        t="limited",
        extrahosts="far:1.2.3.4",
        shmsize=1 << 20,
        networkmode="none",
        ulimits=[{"Name": "nofile", "Soft": 99, "Hard": 99}],
        memory=64 << 20,
    )
    assert "Successfully built" in said
    assert builds.file("limited", "/n") == "0\n" and "1.2.3.4\tfar" in builds.file("limited", "/h")
    assert builds.file("limited", "/all") == "lo\n"
    assert builds.file("limited", "/s").split()[1] == "1024" and builds.file("limited", "/u") == "99\n"


def test_what_a_command_runs_with_is_no_part_of_the_image(builds: Builds) -> None:
    builds.said(FROM + "ARG A=1\nRUN env > /env\n", t="clean", buildargs={"HTTPS_PROXY": "http://p:1"})
    assert {"A=1", "HTTPS_PROXY=http://p:1"} <= set(builds.file("clean", "/env").splitlines())
    found = builds.inspect("clean")
    assert found["Config"]["Env"] == ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]
    tree = docker(builds.engine.socket, "history", "--no-trunc", "clean").stdout.decode()
    assert "|1 A=1 /bin/sh -c env > /env" in tree and "http://p" not in tree


def test_a_failed_steps_container_stays_for_a_look_unless_it_shall_not(builds: Builds) -> None:
    def containers() -> set[str]:
        return set(docker(builds.engine.socket, "ps", "-aq").stdout.decode().split())

    before = containers()
    builds.fault(FROM + "RUN echo here > /left; exit 1\n", forcerm=1, nocache=1)
    assert containers() == before
    builds.fault(FROM + "RUN echo here > /left; exit 1\n", nocache=1)
    (left,) = containers() - before
    assert docker(builds.engine.socket, "cp", f"{left}:/left", "-").stdout.count(b"here")
    docker(builds.engine.socket, "rm", left)


# --- the request's extension --------------------------------------------------------------------------------------
def extended(text: str, said: Mapping[str, Any], files: Mapping[str, bytes | str]) -> bytes:
    return tar_of({"build.json": json.dumps(said), "context/Dockerfile": text, **files})


def test_secrets_reach_their_step_and_nothing_else(builds: Builds) -> None:
    text = (
        FROM
        + "RUN --mount=type=secret,id=k,required cat /run/secrets/k; stat -c '%a %u' /run/secrets/k > /mode\n"
        + "RUN --mount=type=secret,id=k,env=KEY,target=/x/y,mode=0444,uid=9 echo $KEY | md5sum; cat /x/y | md5sum; "
        + "stat -c '%a %u' /x/y >> /mode\nRUN --mount=type=secret,id=none ls /run/secrets 2>&1 | wc -l\n"
    )
    body = extended(text, {"secrets": {"k": "0"}}, {"secrets/0": "h-u-s-h"})
    status, lines = builds.call(body, EXTENDED, t="secret", nocache=1)
    assert status == 200 and "aux" in str(lines), lines
    assert builds.file("secret", "/mode") == "400 0\n444 9\n"
    saved = docker(builds.engine.socket, "save", "secret").stdout
    assert b"h-u-s-h" not in saved
    status, lines = builds.call(extended(FROM + "RUN --mount=type=secret,id=no,required x\n", {}, {}), EXTENDED)
    assert "secret no not found" in lines[-1]["error"]


def test_named_contexts_are_folders_and_images(builds: Builds) -> None:
    text = "FROM base\nCOPY --from=more /x/f /f\nRUN --mount=from=more,target=/m cat /m/x/f > /g\n"
    said = {"contexts": {"more": "0"}, "images": {"base": REFERENCE}}
    status, lines = builds.call(extended(text, said, {"contexts/0/x/f": "named"}), EXTENDED, t="named")
    assert status == 200 and "aux" in str(lines), lines
    assert builds.file("named", "/f") + builds.file("named", "/g") == "namednamed"


def test_an_agents_socket_is_forwarded_to_its_step(builds: Builds, tmp_path: Path) -> None:
    text = FROM + "RUN --mount=type=ssh,required test -S $SSH_AUTH_SOCK && echo forwarded\n"
    place = f"/tmp/rq-agent-{os.getpid()}"
    with socket.socket(socket.AF_UNIX) as agent:
        agent.bind(place)
        try:
            _, lines = builds.call(extended(text, {"ssh": {"default": place}}, {}), EXTENDED, nocache=1)
        finally:
            os.unlink(place)
    assert "forwarded\n" in "".join(line.get("stream", "") for line in lines), lines
    _, lines = builds.call(extended(text, {}, {}), EXTENDED, nocache=1)
    assert "no SSH key default forwarded" in lines[-1]["error"]


def test_an_extended_request_that_names_what_it_hasnt_is_refused(builds: Builds) -> None:
    status, message = builds.call(extended(FROM, {"secrets": {"k": "7"}}, {}), EXTENDED)
    assert (status, "names what is not in it" in message) == (400, True)


# --- from elsewhere -----------------------------------------------------------------------------------------------
@contextmanager
def served(engine: RunningEngine, folder: Path) -> Iterator[str]:
    """An HTTP server in the engine's network namespace."""
    script = (
        "import http.server, functools, sys\n"
        "h = functools.partial(http.server.SimpleHTTPRequestHandler, directory=sys.argv[1])\n"
        "s = http.server.ThreadingHTTPServer(('127.0.0.1', 0), h)\n"
        "print(s.server_port, flush=True)\ns.serve_forever()\n"
    )
    command = ["nsenter", f"--net=/proc/{engine.pid}/ns/net", "python3", "-c", script, str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    try:
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
    finally:
        process.kill()
        process.communicate()


def test_add_downloads_checks_and_unpacks(builds: Builds, tmp_path: Path) -> None:
    (tmp_path / "f.txt").write_text("down")
    (tmp_path / "a.tgz").write_bytes(packed(in_it="1"))
    os.utime(tmp_path / "f.txt", (1_000_000_000, 1_000_000_000))
    right = "sha256:" + "d6ac022931a66a2bcc244db91818ebec76ce5e18c83c9e1c5f4a3ff1d4d4a4a7"
    with served(builds.engine, tmp_path) as url:
        text = (
            FROM + f"ADD {url}/f.txt /d/\nADD {url}/f.txt /named\nADD {url}/a.tgz /t/\nADD --unpack {url}/a.tgz /u/\n"
        )
        builds.said(text, t="added")
        message = builds.fault(FROM + f"ADD --checksum={right} {url}/f.txt /x\n")["message"]
        assert "digest mismatch" in message
        assert "status 404" in builds.fault(FROM + f"ADD {url}/none /x\n")["message"]
        assert "Using cache" in builds.said(text)
        (tmp_path / "f.txt").write_text("other")
        assert builds.said(text).count("Using cache") == 0
    shown = docker(builds.engine.socket, "run", "--rm", "added", "stat", "-c", "%n %a %Y", "/d/f.txt", "/named").stdout
    assert shown.decode().splitlines() == ["/d/f.txt 600 1000000000", "/named 600 1000000000"]
    found = docker(builds.engine.socket, "run", "--rm", "added", "ls", "/t", "/u").stdout.decode().split()
    assert found == ["/t:", "a.tgz", "/u:", "in_it"]


def git(folder: Path, *words: str) -> None:
    subprocess.run(
        ["git", "-c", "user.name=t", "-c", "user.email=t@t", *words], cwd=folder, check=True, capture_output=True
    )


def test_contexts_and_sources_come_from_git(builds: Builds, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "Dockerfile").write_text(FROM + "COPY f /f\n")
    (tmp_path / "sub" / "f").write_text("from git")
    git(tmp_path, "init", "-q", "-b", "main")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "x")
    git(tmp_path, "update-server-info")
    bare = tmp_path / "r.git"
    git(tmp_path, "clone", "-q", "--bare", ".", str(bare))
    git(bare, "update-server-info")
    port = 9600 + os.getpid() % 300
    command = ["git", "daemon", "--export-all", f"--base-path={tmp_path}", "--listen=127.0.0.1", f"--port={port}"]
    inside = ["nsenter", f"--net=/proc/{builds.engine.pid}/ns/net", *command]
    daemon = subprocess.Popen(inside, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        url = f"git://127.0.0.1:{port}/r.git"
        wait_for_port(builds.engine, port)
        status, lines = builds.call(b"", t="from-git", remote=f"{url}#main:sub")
        assert status == 200 and "aux" in str(lines), lines
        assert builds.file("from-git", "/f") == "from git"
        builds.said(FROM + f"ADD {url}#main /r\nADD --keep-git-dir=true {url} /k\n", t="git-added")
        shown = docker(builds.engine.socket, "run", "--rm", "git-added", "ls", "-A", "/r", "/k").stdout.decode().split()
        assert shown == ["/k:", ".git", "sub", "/r:", "sub"]
        assert "git fetch failed" in builds.fault(FROM + f"ADD {url}#nobranch /r\n")["message"]
    finally:
        os.killpg(daemon.pid, signal.SIGKILL)
        daemon.wait()


def wait_for_port(engine: RunningEngine, port: int) -> None:
    probe = (
        "import socket, time, sys\nfor _ in range(200):\n"
        "  try: socket.create_connection(('127.0.0.1', int(sys.argv[1]))); break\n"
        "  except OSError: time.sleep(0.05)\n"
    )
    engine.inside(["python3", "-c", probe, str(port)])


def test_a_remote_context_may_be_a_tar_or_a_dockerfile(builds: Builds, tmp_path: Path) -> None:
    (tmp_path / "c.tar").write_bytes(tar_of({"Dockerfile": FROM + "COPY f /f\n", "f": "remote"}))
    (tmp_path / "plain.txt").write_text(FROM + "RUN echo plain > /f\n")
    with served(builds.engine, tmp_path) as url:
        builds.call(b"", t="remote-tar", remote=f"{url}/c.tar")
        builds.call(b"", t="remote-text", remote=f"{url}/plain.txt")
    assert builds.file("remote-tar", "/f") + builds.file("remote-text", "/f") == "remoteplain\n"


# --- COPY's finer points ------------------------------------------------------------------------------------------
def test_copy_keeps_parents_excludes_and_changes_modes(builds: Builds) -> None:
    files = {"a/b/c.txt": "1", "a/b/d.md": "2", "a/e.md": "3", "s.sh": "4"}
    text = (
        FROM
        + "COPY --parents a/b/*.txt a/./b/d.md /p/\nCOPY --exclude=*.md --exclude=**/*.md a /x/\n"
        + "COPY --chmod=u=rwx,go=rX s.sh /m/\nCOPY --chmod=4711 s.sh /n\nCOPY --chmod=go+X a /k/\n"
    )
    builds.said(text, files, t="copied")
    command = "cd /; find p x -type f | sort; stat -c '%n %a' m/s.sh n k/b k/b/c.txt"
    shown = docker(builds.engine.socket, "run", "--rm", "copied", "sh", "-c", command).stdout.decode().split("\n")
    assert shown == [
        "p/a/b/c.txt",
        "p/b/d.md",
        "x/b/c.txt",
        "m/s.sh 755",
        "n 4711",
        "k/b 755",
        "k/b/c.txt 644",
        "",
    ]


# --- evil inputs --------------------------------------------------------------------------------------------------
def evil_tar(*entries: tuple[str, bytes, str], dockerfile: str = "") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        if dockerfile:
            entry = tarfile.TarInfo("Dockerfile")
            entry.size = len(dockerfile)
            archive.addfile(entry, io.BytesIO(dockerfile.encode()))
        for name, kind, target in entries:
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = kind, target
            entry.size = 4 if kind == tarfile.REGTYPE else 0
            archive.addfile(entry, io.BytesIO(b"evil"))
    return buffer.getvalue()


@pytest.fixture
def outside() -> Iterator[Path]:
    path = Path(f"/tmp/rq-outside-{os.getpid()}")
    path.mkdir()
    (path / "kept").write_text("host")
    yield path
    assert [(p.name, p.read_text()) for p in path.iterdir()] == [("kept", "host")]
    (path / "kept").unlink()
    path.rmdir()


def test_no_archive_and_no_context_writes_or_reads_outside(builds: Builds, outside: Path) -> None:
    link, file, hard = tarfile.SYMTYPE, tarfile.REGTYPE, tarfile.LNKTYPE
    for bad in (
        evil_tar((f"../../../../..{outside}/new", file, "")),
        evil_tar((f"{'../' * 12}{outside}/kept", file, "")),
        evil_tar(("h", hard, f"../../../../..{outside}/kept")),
    ):
        assert "tar file" in builds.fault(FROM + "ADD evil.tar /x\n", {"evil.tar": bad})["message"]
        status, _ = builds.call(bad)
        assert status == 400
    through = evil_tar(("l", link, str(outside)), ("l/new", file, ""), ("l/kept", file, ""))
    builds.said(FROM + "ADD evil.tar /x\n", {"evil.tar": through}, t="evil")
    sneaky = evil_tar(("Dockerfile", link, "/etc/passwd"))
    assert "Cannot locate" in builds.call(sneaky)[1]
    _, lines = builds.call(evil_tar(("l", link, f"{outside}/kept"), dockerfile=FROM + "COPY l /x\n"))
    assert "file not found" in lines[-1]["error"]
    text = f"{FROM.strip()} AS s\nRUN ln -s {outside} /l && ln -s /proc/1/root /p\n{FROM}COPY --from=s "
    assert "file not found" in builds.fault(text + "/l/kept /x\n")["message"]
    assert "file not found" in builds.fault(text + f"/p{outside}/kept /x\n")["message"]
    over = f"RUN ln -s {outside} /out\nCOPY f /out/new\nADD f /out/kept\nWORKDIR /out/dir\n"
    builds.said(FROM + over, {"f": "image"}, t="over")


def test_a_devices_archive_makes_no_device_of_a_context(builds: Builds) -> None:
    device = tarfile.TarInfo("sda")
    device.type, device.devmajor = tarfile.BLKTYPE, 8
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(device)
    assert "is a device" in builds.call(buffer.getvalue())[1]


def test_a_damaged_context_is_told(builds: Builds) -> None:
    whole = tar_of({"Dockerfile": FROM + "RUN true\n", "f": b"x" * 5000})
    status, message = builds.call(whole[:-9000])
    assert status == 400 and "build context can't be unpacked" in message
    assert builds.call(b"no tar at all" * 100)[0] == 400
    status, message = builds.call(b"")
    assert (status, message) == (400, "Cannot locate specified Dockerfile: Dockerfile")
