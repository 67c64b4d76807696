"""Builds on the embedded engine, by the API and by `docker build`: what is told, what is refused."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.dockerfiles import docker
from tests.engine.daemon.build.building import FROM, Builds, tar_of

pytestmark = pytest.mark.root


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
        ("FROM a\n", {"platform": "foobar"}, "unknown operating system or architecture"),
        ("FROM a\n", {"platform": "linux/amd64,linux/arm64"}, "alone: the platform linux/amd64,linux/arm64"),
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
    assert "cannot normalize nothing" in builds.fault(FROM + "WORKDIR $NONE\n")["message"]
    assert "unable to find user ghost" in builds.fault(FROM + "USER ghost\nRUN true\n")["message"]


def test_unused_arguments_are_told(builds: Builds) -> None:
    said = builds.said(FROM + "ARG A\nENV X=$A\n", buildargs={"A": "1", "B": "2", "HTTP_PROXY": "p"})
    assert "[Warning] One or more build-args [B] were not consumed\n" in said


def test_steps_that_leave_the_same_behind_make_an_image_that_runs(builds: Builds) -> None:
    text = FROM + "RUN touch -d @1 /same\n" * 3 + "RUN true\n" * 2 + "RUN test -e /same && echo there\n"
    assert "there\n" in builds.said(text, t="twice", nocache=1)
    assert docker(builds.engine.socket, "run", "--rm", "twice", "ls", "/same").stdout == b"/same\n"


def test_labels_alone_make_an_image_of_nothing(builds: Builds) -> None:
    builds.said("FROM scratch\n", t="labelled", labels={"a": "b"})
    assert builds.inspect("labelled")["Config"]["Labels"] == {"a": "b"}


def test_an_image_does_not_inherit_the_claim_of_its_base_about_its_source(builds: Builds) -> None:
    said = {"io.rorqual.content": "sha256:1", "other": "stays"}
    builds.said(FROM + "ENV A=1\n", t="claims", labels=said)
    builds.said("FROM claims\nENV B=2\n", t="claims-child")
    parents, childs = (builds.inspect(name)["Config"]["Labels"] for name in ("claims", "claims-child"))
    assert parents.items() >= said.items()
    assert childs == {name: value for name, value in parents.items() if name != "io.rorqual.content"}
