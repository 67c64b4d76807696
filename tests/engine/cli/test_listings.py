"""Tables, templates, sizes, ports: what every listing command prints its rows with."""

from __future__ import annotations

import json

import pytest

from engine.api.errors import InvalidArgument
from engine.cli.images import name_and_tag
from engine.cli.ls import rows_of
from engine.cli.render.amounts import binary_size, decimal_size, display_ports, human_duration
from engine.cli.render.listing import listing
from engine.cli.render.table import render_table
from engine.cli.render.template import parse_template
from engine.cli.render.usage import cpu_percent, usage_row

COLUMNS = {"Name": "NAME", "Ports": "PORTS"}
ROWS = [{"Name": "shop-web-1", "Ports": "80/tcp", "ID": "abc"}, {"Name": "db", "Ports": "", "ID": "def"}]


def test_a_table_stands_in_columns_and_ends_no_line_with_blanks() -> None:
    text = render_table(["NAME", "PORTS"], [["shop-web-1", "80/tcp"], ["db", ""]])
    assert text.splitlines() == ["NAME         PORTS", "shop-web-1   80/tcp", "db"]


def test_a_table_fits_the_terminal_by_cutting_its_widest_column() -> None:
    text = render_table(["A", "B"], [["x" * 60, "short"]], width=40)
    assert all(len(line) <= 40 for line in text.splitlines())
    assert "…" in text and "short" in text


def test_a_table_is_whole_where_no_terminal_reads_it() -> None:
    assert "x" * 300 in render_table(["A", "B"], [["x" * 300, "y"]])


def test_wide_characters_take_two_columns() -> None:
    lines = render_table(["NAME", "X"], [["日本語日本語", "1"], ["ab", "2"]]).splitlines()
    assert lines[1].index("1") == 6 + 3 and lines[2].index("2") == 12 + 3


def test_escape_sequences_from_a_label_never_reach_the_terminal() -> None:
    assert "\x1b" not in render_table(["A"], [["\x1b[2Jx"]])


def test_json_is_one_object_a_line_or_an_array_where_compose_prints_one() -> None:
    assert [json.loads(line)["Name"] for line in listing(ROWS, COLUMNS, "json").splitlines()] == ["shop-web-1", "db"]
    assert len(json.loads(listing(ROWS, COLUMNS, "json", array=True))) == 2
    assert listing([], COLUMNS, "json") == ""


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{{.Name}}", "shop-web-1"),
        ("{{ .Name }}|{{.Ports}}", "shop-web-1|80/tcp"),
        (r"{{.Name}}\t{{upper .Ports}}", "shop-web-1\t80/TCP"),
        ('{{json .Name}}{{"-"}}', '"shop-web-1"-'),
        ("{{.}}", '{"Name":"shop-web-1","Ports":"80/tcp","ID":"abc"}'),
    ],
)
def test_a_template_is_filled_from_the_row(template: str, expected: str) -> None:
    assert listing(ROWS[:1], COLUMNS, template, fields=["ID"]) == expected


def test_table_with_a_template_has_headers() -> None:
    text = listing(ROWS, COLUMNS, r"table {{.ID}}\t{{.Name}}", fields=["ID"])
    assert text.splitlines() == ["ID        NAME", "abc       shop-web-1", "def       db"]


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("{{.Nope}}", "no field .Nope"),
        ("{{range .X}}", "can't do"),
        ("{{.Name", "without its"),
        ("{{f .Name}}", "can't"),
    ],
)
def test_a_template_that_is_not_understood_is_an_error(template: str, words: str) -> None:
    with pytest.raises(InvalidArgument, match=words.replace("{", r"\{")):
        parse_template(template, ["Name"])


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.2, "Less than a second"),
        (1, "1 second"),
        (59.9, "59 seconds"),
        (61, "About a minute"),
        (3599, "59 minutes"),
        (3700, "About an hour"),
        (2 * 86400 + 1, "2 days"),
        (20 * 86400, "2 weeks"),
        (100 * 86400, "3 months"),
        (800 * 86400, "2 years"),
    ],
)
def test_spans_of_time_read_as_dockers(seconds: float, words: str) -> None:
    assert human_duration(seconds) == words


def test_sizes_read_as_dockers() -> None:
    assert [decimal_size(13517161), decimal_size(932), decimal_size(0)] == ["13.5MB", "932B", "0B"]
    assert [binary_size(916 * 1024), binary_size(23.54 * 1024**3)] == ["916KiB", "23.54GiB"]


def test_ports_read_as_dockers() -> None:
    published = {"PrivatePort": 81, "PublicPort": 32769, "Type": "tcp"}
    assert (
        display_ports([{"IP": "::", **published}, {"IP": "0.0.0.0", **published}])  # type: ignore[typeddict-item]
        == "0.0.0.0:32769->81/tcp, [::]:32769->81/tcp"
    )
    # as Podman gives any address
    assert display_ports([published]) == "0.0.0.0:32769->81/tcp"  # type: ignore[list-item]
    assert display_ports([{"PrivatePort": n, "Type": "tcp"} for n in (80, 81, 82, 90)]) == "80-82/tcp, 90/tcp"
    same = [{"IP": "0.0.0.0", "PrivatePort": n, "PublicPort": n, "Type": "udp"} for n in (8080, 8081)]
    assert display_ports(same) == "0.0.0.0:8080-8081->8080-8081/udp"  # type: ignore[arg-type]


def test_an_images_name_is_the_one_that_its_container_was_made_by() -> None:
    assert name_and_tag("a/b:2", ["a/b:1", "a/b:2"]) == ("a/b", "2")
    assert name_and_tag("sha256:0123", ["a/b:1"]) == ("a/b", "1")
    assert name_and_tag("a/b", []) == ("<none>", "<none>")


def test_a_projects_row_counts_its_containers_by_state() -> None:
    def container(state: str, files: str) -> dict[str, object]:
        labels = {"com.docker.compose.project": "p", "com.docker.compose.project.config_files": files}
        return {"State": state, "Labels": labels}

    rows = rows_of([container("running", "/a"), container("exited", "/a"), container("running", "/a,/b")])  # type: ignore[list-item]
    assert rows == [{"Name": "p", "Status": "exited(1), running(2)", "ConfigFiles": "/a,/b"}]


def test_usage_is_reckoned_without_the_cache_and_over_all_processors() -> None:
    sample = {
        "cpu_stats": {"cpu_usage": {"total_usage": 300}, "system_cpu_usage": 2000, "online_cpus": 2},
        "precpu_stats": {"cpu_usage": {"total_usage": 100}, "system_cpu_usage": 1000},
        "memory_stats": {"usage": 3 << 20, "limit": 10 << 20, "stats": {"inactive_file": 1 << 20}},
        "networks": {"eth0": {"rx_bytes": 1000, "tx_bytes": 2}, "eth1": {"rx_bytes": 60, "tx_bytes": 0}},
        "blkio_stats": {"io_service_bytes_recursive": [{"op": "Read", "value": 5}, {"op": "write", "value": 7}]},
        "pids_stats": {"current": 3},
    }
    assert cpu_percent(sample) == pytest.approx(40.0)
    row = usage_row("id", "name", sample)
    assert (row["MemUsage"], row["MemPerc"]) == ("2MiB / 10MiB", "20.00%")
    assert (row["NetIO"], row["BlockIO"], row["PIDs"]) == ("1.06kB / 2B", "5B / 7B", "3")


def test_usage_of_a_container_without_a_sample_is_unknown() -> None:
    assert usage_row("id", "name", {})["CPUPerc"] == "--"
