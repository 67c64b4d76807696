"""What Compose really does where its specification is silent: one claim a finding, each read off the oracle."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from specs.load import Loaded, Request, load
from specs.output import json_values, project_values
from specs.source import Severity

Resolve = Callable[..., Any]


def run(folder: Path, files: dict[str, str], *names: str, env: dict[str, str] | None = None, **more: Any) -> Loaded:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return load(Request(str(folder), env or {}, names or None, project_name="p", **more))


def service(folder: Path, body: str, name: str = "a", **more: Any) -> dict[str, Any]:
    """The JSON of one service that is `{image: x, <body>}`."""
    text = f"services: {{{name}: {{image: x, {body}}}, b: {{image: y}}}}\nnetworks: {{n: }}\nvolumes: {{data: }}\n"
    loaded = run(folder, {"compose.yaml": text}, **more)
    assert loaded.values is not None, "\n".join(map(str, loaded.report))
    found: dict[str, Any] = json_values(loaded.values)["services"][name]
    return found


def codes(loaded: Loaded) -> list[str]:
    return [d.code for d in loaded.report if d.severity is Severity.ERROR]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1.50", "1.5"),
        ("1e3", "1000"),
        ("0x10", "16"),
        ("010", "8"),
        ("1_000", "1000"),
        ("1234567.0", "1.234567e+06"),
        ("yes", "yes"),
        ("true", "true"),
        (".inf", "+Inf"),
        ("99999999999999999999", "1e+20"),
        ("2_0.5", "20.5"),
    ],
)
def test_a_scalar_passes_through_go(tmp_path: Path, text: str, value: str) -> None:
    assert service(tmp_path, f"environment: {{K: {text}}}")["environment"]["K"] == value


def test_command_and_entrypoint_always_appear(tmp_path: Path) -> None:
    found = service(tmp_path, "tty: false")
    assert found["command"] is None
    assert found["entrypoint"] is None
    assert "tty" not in found


def test_an_empty_command_is_an_empty_list(tmp_path: Path) -> None:
    assert service(tmp_path, 'command: ""')["command"] == []


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("a 'b c' \"d e\"", ["a", "b c", "d e"]),
        (r"a\ b", ["a b"]),
        ("a ; b", ["a"]),
        ("echo 2> x", ["echo"]),
        ("a '' b", ["a", "", "b"]),
        ("echo $(date)", ["echo", "$(date)"]),
    ],
)
def test_a_command_line_is_split_as_a_shell_would_up_to_its_operators(
    tmp_path: Path, line: str, words: list[str]
) -> None:
    text = f"services:\n  a:\n    image: x\n    command: >-\n      {line}\n"
    loaded = run(tmp_path, {"compose.yaml": text})
    assert loaded.values is not None
    assert loaded.values["services"]["a"]["command"] == words


def test_a_range_of_ports_is_one_entry_each_and_a_host_range_alone_is_one(tmp_path: Path) -> None:
    found = service(tmp_path, 'ports: ["8080-8082:80-82/udp", "8000-9000:80"]')["ports"]
    assert [(p["published"], p["target"], p["protocol"]) for p in found] == [
        ("8080", 80, "udp"),
        ("8081", 81, "udp"),
        ("8082", 82, "udp"),
        ("8000-9000", 80, "tcp"),
    ]


def test_a_short_bind_creates_its_folder_and_a_long_one_does_not(tmp_path: Path) -> None:
    short, long = service(tmp_path, 'volumes: ["./a:/a", {type: bind, source: ./b, target: /b, bind: {selinux: z}}]')[
        "volumes"
    ]
    assert short["bind"] == {"create_host_path": True}
    assert long["bind"] == {"selinux": "z"}


def test_a_letter_before_a_colon_is_a_drive(tmp_path: Path) -> None:
    assert service(tmp_path, 'volumes: ["v:/v"]')["volumes"] == [{"type": "volume", "target": "v:/v", "volume": {}}]


@pytest.mark.parametrize(("text", "value"), [("1.5g", "1610612736"), ("64mb", "67108864"), ("10", "10")])
def test_sizes_are_bytes_in_text(tmp_path: Path, text: str, value: str) -> None:
    assert service(tmp_path, f'mem_limit: "{text}"')["mem_limit"] == value


@pytest.mark.parametrize(("text", "value"), [("90s", "1m30s"), ("1w", "168h0m0s"), ("1us", "1µs"), ("1.5h", "1h30m0s")])
def test_durations_are_go_s(tmp_path: Path, text: str, value: str) -> None:
    assert service(tmp_path, f"stop_grace_period: {text}")["stop_grace_period"] == value


def test_an_unset_name_in_environment_is_null_even_when_an_env_file_sets_it(tmp_path: Path) -> None:
    (tmp_path / "a.env").write_text("K=1\nL=2\n")
    assert service(tmp_path, "environment: [K], env_file: a.env")["environment"] == {"K": None, "L": "2"}


def test_a_variable_of_an_env_file_wins_over_that_of_an_earlier_one_within_the_file(tmp_path: Path) -> None:
    (tmp_path / "a.env").write_text("A=1\n")
    (tmp_path / "b.env").write_text("A=2\nB=$A\n")
    assert service(tmp_path, "env_file: [a.env, b.env]")["environment"] == {"A": "2", "B": "2"}


@pytest.mark.parametrize(
    ("template", "value"),
    [
        ("${X:-d}", "d"),
        ("${E-d}", ""),
        ("${E:-d}", "d"),
        ("${S:+yes}", "yes"),
        ("${E+yes}", "yes"),
        ("${E:+yes}", ""),
        ("${X:-${S}-${Y:-z}}", "s-z"),
        ("$$S", "$S"),
        ("$", "$"),
        ("$1", "$1"),
        ("a${S}b$S", "asbs"),
    ],
)
def test_a_variable_is_expanded(tmp_path: Path, template: str, value: str) -> None:
    found = service(tmp_path, f"hostname: '{template}'", env={"S": "s", "E": ""})
    assert found.get("hostname", "") == value


def test_a_required_variable_without_a_value_is_refused_by_name(tmp_path: Path) -> None:
    loaded = run(tmp_path, {"compose.yaml": "services: {a: {image: '${TAG:?say which}'}}\n"})
    assert codes(loaded) == ["missing-variable"]
    assert "TAG" in str(loaded.report.diagnostics[0])


def test_a_bad_value_from_a_variable_names_the_variable_and_where_it_was_set(tmp_path: Path) -> None:
    files = {".env": "# ports\nPORT=http\n", "compose.yaml": "services: {a: {image: x, ports: ['$PORT:80']}}\n"}
    loaded = run(tmp_path, files)
    assert codes(loaded) == ["bad-port"]
    assert "${PORT}, set in .env:2" in loaded.report.diagnostics[0].message


def test_lists_append_maps_merge_and_commands_replace(tmp_path: Path) -> None:
    files = {
        "a.yaml": "services: {a: {image: x, command: [a], dns: [1.1.1.1], environment: {A: 1, B: 2},"
        " ports: ['80:80']}}\n",
        "b.yaml": "services: {a: {command: [b], dns: 8.8.8.8, environment: [B=3], ports: ['81:80', '80:80']}}\n",
    }
    loaded = run(tmp_path, files, "a.yaml", "b.yaml")
    assert loaded.values is not None
    found = loaded.values["services"]["a"]
    assert found["command"] == ["b"]
    assert found["dns"] == ["1.1.1.1", "8.8.8.8"]
    assert found["environment"] == {"A": "1", "B": "3"}
    assert [p["published"] for p in found["ports"]] == ["80", "81"]


def test_reset_removes_and_override_replaces(tmp_path: Path) -> None:
    files = {
        "a.yaml": "services: {a: {image: x, ports: ['80:80'], dns: [1.1.1.1], tty: true}}\n",
        "b.yaml": "services: {a: {ports: !override ['81:81'], dns: !reset [], tty: !reset null}}\n",
    }
    loaded = run(tmp_path, files, "a.yaml", "b.yaml")
    assert loaded.values is not None
    found = loaded.values["services"]["a"]
    assert [p["published"] for p in found["ports"]] == ["81"]
    assert "dns" not in found
    assert "tty" not in found


def test_paths_of_an_extended_file_start_at_its_folder(tmp_path: Path) -> None:
    files = {
        "compose.yaml": "services: {a: {extends: {file: lib/base.yaml, service: base}}}\n",
        "lib/base.yaml": "services: {base: {build: ./app, volumes: ['./d:/d']}}\n",
    }
    loaded = run(tmp_path, files)
    assert loaded.values is not None
    found = loaded.values["services"]["a"]
    assert found["build"]["context"] == str(tmp_path / "lib/app")
    assert found["volumes"][0]["source"] == str(tmp_path / "lib/d")


def test_services_that_extend_each_other_in_a_circle_are_refused(tmp_path: Path) -> None:
    loaded = run(tmp_path, {"compose.yaml": "services: {a: {extends: b}, b: {extends: a}}\n"})
    assert "extends-cycle" in codes(loaded)


def test_an_included_project_has_its_own_env_below_the_outer_one(tmp_path: Path) -> None:
    files = {
        "compose.yaml": "include: [inc/compose.yaml]\nservices: {a: {image: x}}\n",
        ".env": "A=outer\n",
        "inc/compose.yaml": "services: {i: {image: '$A-$B'}}\n",
        "inc/.env": "A=inner\nB=inner\n",
    }
    loaded = run(tmp_path, files)
    assert loaded.values is not None
    assert loaded.values["services"]["i"]["image"] == "outer-inner"


def test_a_service_of_an_include_can_not_be_defined_again_but_can_be_overridden(tmp_path: Path) -> None:
    files = {
        "compose.yaml": "include: [inc.yaml]\nservices: {i: {image: y}}\n",
        "inc.yaml": "services: {i: {image: x}}\n",
        "outer.yaml": "include: [inc.yaml]\n",
        "over.yaml": "services: {i: {image: y}}\n",
    }
    assert codes(run(tmp_path, files)) == ["include-conflict"]
    loaded = run(tmp_path, files, "outer.yaml", "over.yaml")
    assert loaded.values is not None
    assert loaded.values["services"]["i"]["image"] == "y"


def test_links_and_shared_namespaces_are_dependencies(tmp_path: Path) -> None:
    found = service(tmp_path, "links: [b], volumes_from: [b]")["depends_on"]
    assert found == {"b": {"condition": "service_started", "restart": True, "required": True}}


def test_a_dependency_in_an_inactive_profile_is_refused_unless_it_is_not_required(tmp_path: Path) -> None:
    text = (
        "services:\n  a: {{image: x, depends_on: {{b: {{condition: service_started, required: {0}}}}}}}\n"
        "  b: {{image: y, profiles: [p]}}\n"
    )
    assert codes(run(tmp_path, {"compose.yaml": text.format("true")})) == ["inactive-service"]
    assert run(tmp_path, {"compose.yaml": text.format("false")}).values is not None


def test_what_nobody_uses_is_not_there(tmp_path: Path) -> None:
    loaded = run(tmp_path, {"compose.yaml": "services: {a: {image: x}}\nnetworks: {n: }\nvolumes: {v: }\n"})
    assert loaded.values is not None
    assert list(loaded.values["networks"]) == ["default"]
    assert loaded.values["volumes"] == {}


def test_six_faults_are_six_diagnostics_each_at_its_node(tmp_path: Path) -> None:
    text = (
        "services:\n  web:\n    imag: x\n    ports: [1.5, {targt: 1}]\n"
        "    tty: 5\n    depends_on: {db: {}}\n    volumes: 3\n"
    )
    loaded = run(tmp_path, {"compose.yaml": text})
    places = [(d.code, d.span.line, d.span.column) for d in loaded.report if d.span is not None]
    assert places == [
        ("unknown-key", 3, 5),
        ("wrong-type", 4, 13),
        ("unknown-key", 4, 19),
        ("wrong-type", 5, 10),
        ("missing-key", 6, 18),
        ("wrong-type", 7, 14),
    ]
    assert loaded.report.diagnostics[0].hint == 'did you mean "image"?'


def test_every_model_has_the_fields_that_compose_writes_in_its_order() -> None:
    from specs import models
    from specs.models.project import LanguageModel
    from specs.typed import parts
    from specs.typed.service import SERVICE

    pairs: list[tuple[type[BaseModel], dict[str, Any]]] = [
        (models.Service, SERVICE),
        (models.Build, parts.BUILD),
        (models.Deploy, parts.DEPLOY),
        (models.Port, parts.PORT),
        (models.Mount, parts.MOUNT),
        (models.Network, parts.NETWORK),
        (models.Volume, parts.VOLUME),
        (models.Secret, parts.FILE_OBJECT),
        (models.Healthcheck, parts.HEALTHCHECK),
        (models.NetworkAttachment, parts.ATTACHMENT),
        (LanguageModel, parts.LANGUAGE_MODEL),
    ]
    for model, fields in pairs:
        names = [field.alias or name for name, field in model.model_fields.items() if name != "extensions"]
        assert names == list(fields), model


def test_a_project_prints_the_json_that_it_was_made_of(tmp_path: Path) -> None:
    body = (
        "ports: ['80:80'], deploy: {resources: {limits: {memory: 1g}}}, "
        "blkio_config: {weight_device: [{path: /d, weight: 4}]}"
    )
    loaded = run(tmp_path, {"compose.yaml": f"services: {{a: {{image: x, {body}, x-a: 1}}}}\nx-b: [1]\n"})
    assert loaded.project is not None
    assert loaded.values is not None
    assert json_values(project_values(loaded.project)) == json_values(loaded.values)


@pytest.mark.parametrize("more", ["volumes: text", "secrets: true", "services: {b: {image: y}, c: 5}"])
def test_of_an_extended_file_only_the_wanted_service_must_make_sense(more: str, tmp_path: Path) -> None:
    base = more if more.startswith("services") else f"services: {{b: {{image: y}}}}\n{more}"
    text = "services: {a: {extends: {file: base.yaml, service: b}}}\n"
    loaded = run(tmp_path, {"compose.yaml": text, "base.yaml": base})
    assert loaded.values is not None, list(map(str, loaded.report))
    assert loaded.values["services"]["a"]["image"] == "y"


@pytest.mark.parametrize(("text", "value"), [("0.333333333", 0.33333334), ("0.1", 0.1), ("16777217", 16777216)])
def test_a_number_of_cpus_is_the_shortest_decimal_of_a_float32(tmp_path: Path, text: str, value: float) -> None:
    assert service(tmp_path, f"cpus: {text}")["cpus"] == value


@pytest.mark.parametrize("text", ["1e39", "-1e300", "'1e39'", "3.5e38"])
def test_a_number_that_is_none_to_a_float32_is_refused(tmp_path: Path, text: str) -> None:
    loaded = run(tmp_path, {"compose.yaml": f"services: {{a: {{image: x, cpus: {text}}}}}\n"})
    assert codes(loaded) == ["wrong-type"]
