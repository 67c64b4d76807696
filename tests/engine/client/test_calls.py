"""What a call looks like on the wire, and what it costs us."""

from __future__ import annotations

import subprocess
import sys

import pytest

from engine.client.calls import encode_query, filters_of, name_in_path, reference_in_path
from engine.client.images import build_query, split_tag


def test_a_query_leaves_out_what_is_unset_and_writes_the_rest_as_the_api_reads_it() -> None:
    query = {"none": None, "yes": True, "no": False, "many": ["a", "b"], "map": {"x": ["1"]}, "empty": {}, "n": 5}
    assert encode_query(query) == "yes=1&no=0&many=a&many=b&map=%7B%22x%22%3A+%5B%221%22%5D%7D&n=5"


def test_each_filter_is_a_list() -> None:
    assert filters_of({"label": "a=b", "name": ["x", "y"]}) == {"label": ["a=b"], "name": ["x", "y"]}
    assert filters_of(None) == {}


def test_a_name_can_not_leave_its_place_in_the_path() -> None:
    assert name_in_path("../../version?x=#") == "..%2F..%2Fversion%3Fx%3D%23"
    assert reference_in_path("host:5000/a/b@sha256:00?x") == "host:5000/a/b@sha256:00%3Fx"


@pytest.mark.parametrize(
    ("reference", "parts"),
    [
        ("redis", ("redis", "latest")),
        ("host:5000/a/b", ("host:5000/a/b", "latest")),
        ("host:5000/a/b:1", ("host:5000/a/b", "1")),
        ("a@sha256:00", ("a", "sha256:00")),
        ("a:1@sha256:00", ("a", "sha256:00")),
    ],
)
def test_a_reference_is_cut_as_the_api_wants_it(reference: str, parts: tuple[str, str]) -> None:
    assert split_tag(reference) == parts


def test_a_builds_maps_are_json_and_its_tags_repeat() -> None:
    query = build_query({"t": ["a", "b"], "buildargs": {"X": None}, "nocache": True})
    assert query == {"t": ["a", "b"], "buildargs": '{"X": null}', "nocache": True}


def test_the_client_needs_nothing_slow_to_start() -> None:
    script = "import sys, engine.client.session, engine.client.target; print(*sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout.split()
    slow = {"pydantic", "typer", "rich", "httpx", "networkx", "sqlite3", "tempfile", "ruamel", "engine.http.ssh"}
    assert not slow & {*loaded}
