"""RUN and COPY: here-documents, mounts, limits, modes; and what of them gets into the image."""

from __future__ import annotations

import pytest

from tests.dockerfiles import docker
from tests.engine.daemon.build.building import FROM, Builds

pytestmark = pytest.mark.root


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


def test_patterns_with_parents_go_through_any_number_of_folders(builds: Builds) -> None:
    files = dict.fromkeys(("p.json", "a/p.json", "a/b/c/p.json", "a/b/x", "bb/c/d/e/f", "b/c/e/g"), "")
    text = (
        FROM
        + "COPY --parents **/p.json /all/\nCOPY --parents a/**/p.json ./a/./**/x /some/\n"
        + "COPY --parents b*/./c/**/e /pivot/\nCOPY --parents bb/./** /end/\n"
    )
    builds.said(text, files, t="deep")
    look = "cd /; find all some pivot end -type f | sort"
    found = docker(builds.engine.socket, "run", "--rm", "deep", "sh", "-c", look).stdout.decode().split()
    assert found == [
        "all/a/b/c/p.json",
        "all/a/p.json",
        "all/p.json",
        "end/c/d/e/f",
        "pivot/c/d/e/f",
        "pivot/c/e/g",
        "some/a/b/c/p.json",
        "some/a/p.json",
        "some/b/x",
    ]
    assert "no source files" in builds.fault(FROM + "COPY --parents **/none /x/\n", files)["message"]


def test_a_mode_may_be_another_classes(builds: Builds) -> None:
    builds.said(FROM + "COPY --chmod=u=rwx,g=u-w,o=g f /f\nCOPY --chmod=u+s,g-rwx f /s\n", {"f": ""}, t="modes")
    shown = docker(builds.engine.socket, "run", "--rm", "modes", "stat", "-c", "%a", "/f", "/s").stdout.decode()
    assert shown.split() == ["755", "4604"]
