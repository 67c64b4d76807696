"""Steps found again by the content of their inputs; stages that wait for nobody."""

from __future__ import annotations

import re
from urllib.parse import quote

import pytest

from tests.dockerfiles import docker
from tests.engine.daemon.build.building import FROM, Builds

pytestmark = pytest.mark.root


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
    assert builds.post(f"/build/prune?all=1&max-used-space={1 << 50}")["CachesDeleted"] is None
    assert builds.post("/build/prune?all=1&min-free-space=1")["CachesDeleted"] is None
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
