"""`up`, `plan`, `down` and the plain verbs on dockerd and on our own engine, through the real command line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engines import RunningEngine
from tests.workshop import Workshop

pytestmark = pytest.mark.root

RICH = """
services:
  db:
    image: {image}
    command: [sh, -c, "touch /tmp/ok; exec sleep 1000"]
    init: true
    stop_grace_period: 1s
    healthcheck: {{test: [CMD, test, -e, /tmp/ok], interval: 1s, retries: 5, start_period: 2s}}
    volumes: ["data:/data", /anonymous, "./conf:/conf:ro"]
    mem_limit: 64m
    secrets: [password]
  web:
    image: {image}
    command: sleep 1000
    init: true
    depends_on: {{db: {{condition: service_healthy, restart: true}}}}
    environment: {{MODE: dev, EMPTY: "", PASSWORD: hunter2}}
    labels: {{tier: front, blank: ""}}
    ports: ["18080:80", "127.0.0.1::81/udp"]
    networks: {{front: {{aliases: [www]}}, back: }}
    hostname: webhost
    extra_hosts: ["one:10.0.0.1", "two=10.0.0.2"]
    cap_add: [NET_ADMIN]
    cap_drop: [CAP_MKNOD]
    dns: [10.9.9.9]
    dns_search: [example.test]
    tmpfs: ["/scratch:size=1m", /run]
    ulimits: {{nofile: {{soft: 100, hard: 200}}, nproc: 300}}
    sysctls: {{net.core.somaxconn: 200}}
    shm_size: 32m
    working_dir: /tmp
    user: "1000:1000"
    group_add: ["20"]
    security_opt: ["no-new-privileges:true"]
    stop_signal: SIGINT
    restart: unless-stopped
    deploy: {{resources: {{limits: {{cpus: "0.5", memory: 64M, pids: 50}}, reservations: {{memory: 32M}}}}}}
    logging: {{driver: json-file, options: {{max-size: 1m}}}}
    configs: [{{source: app, target: /etc/app.conf, mode: 0440}}]
    oom_score_adj: 100
    devices: ["/dev/null:/dev/zilch:r"]
    ipc: shareable
    pid: "service:db"
  job:
    image: {image}
    command: ["true"]
    depends_on: {{web: {{condition: service_started}}}}
networks: {{front: , back: {{internal: true, driver_opts: {{com.docker.network.bridge.name: rq-back}}}}}}
volumes: {{data: {{labels: {{keep: "yes"}}}}}}
secrets: {{password: {{file: ./password.txt}}}}
configs: {{app: {{content: "mode=${{MODE:-x}}"}}}}
"""
SMALL = """
services:
  web: {{image: {image}, command: sleep 1000, init: true{more}}}
"""


@pytest.fixture(params=["docker_engine", "rorqual_engine"])
def shop(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Workshop]:
    engine: RunningEngine = request.getfixturevalue(request.param)
    with Workshop(tmp_path, engine, f"t{abs(hash(request.node.name)) % 10**8}") as workshop:
        yield workshop


def small(shop: Workshop, more: str = "") -> None:
    shop.write(SMALL.format(image=shop.engine.image, more=more))


def rich(shop: Workshop) -> None:
    (shop.folder / "password.txt").write_text("correct horse")
    (shop.folder / "conf").write_text("a = 1\n")
    shop.write(RICH.format(image=shop.engine.image))


def test_a_plan_after_up_is_empty_and_a_second_up_changes_nothing(shop: Workshop) -> None:
    rich(shop)
    shop.run("up", "-d")
    before = shop.containers()
    assert shop.plan()["steps"] == []
    shop.run("up", "-d")
    assert shop.containers() == before
    assert len(before) == 3


def test_a_changed_field_is_named_and_only_its_service_is_replaced(shop: Workshop) -> None:
    rich(shop)
    shop.run("up", "-d")
    before = shop.containers()
    shop.write((shop.folder / "compose.yaml").read_text().replace("MODE: dev", "MODE: prod"))
    steps = shop.plan()["steps"]
    assert [(s["address"], s["action"], [f["path"] for f in s["fields"]]) for s in steps] == [
        ("service.web.1", "replace", ["environment.MODE"])
    ]
    shop.run("up", "-d")
    after = shop.containers()
    assert {n for n in after if after[n] != before[n]} == {f"{shop.name}-web-1"}
    assert shop.plan()["steps"] == []


def test_limits_and_the_restart_policy_are_changed_in_place(shop: Workshop) -> None:
    small(shop, ", mem_limit: 64m")
    shop.run("up", "-d")
    before = shop.containers()
    small(shop, ", mem_limit: 128m, cpus: 0.5, restart: always")
    steps = shop.plan()["steps"]
    assert [s["action"] for s in steps] == ["update"]
    shop.run("up", "-d")
    assert shop.containers() == before
    host = shop.inspect(f"{shop.name}-web-1")["HostConfig"]
    assert (host["Memory"], host["NanoCpus"], host["RestartPolicy"]["Name"]) == (128 << 20, 500_000_000, "always")
    assert shop.plan()["steps"] == []


def test_a_network_that_comes_or_goes_is_connected_in_place(shop: Workshop) -> None:
    small(shop, ", networks: [one]}\nnetworks: {one: , two: ")
    shop.run("up", "-d")
    before = shop.containers()
    small(shop, ", networks: [one, two]}\nnetworks: {one: , two: ")
    shop.run("up", "-d")
    assert shop.containers() == before
    networks = shop.inspect(f"{shop.name}-web-1")["NetworkSettings"]["Networks"]
    assert set(networks) == {f"{shop.name}_one", f"{shop.name}_two"}


def test_a_changed_secret_file_is_a_planned_change_that_shows_no_content(shop: Workshop) -> None:
    rich(shop)
    shop.run("up", "-d")
    (shop.folder / "password.txt").write_text("battery staple")
    text = shop.run("plan").stdout
    assert "content./run/secrets/password: (sensitive) → (sensitive)" in text
    assert "battery" not in text
    shop.run("up", "-d")
    assert shop.plan()["steps"] == []


def test_scaling_down_removes_the_highest_numbers(shop: Workshop) -> None:
    small(shop)
    shop.run("up", "-d", "--scale", "web=3")
    shop.run("scale", "web=2")
    assert set(shop.containers()) == {f"{shop.name}-web-1", f"{shop.name}-web-2"}


def test_what_depends_on_an_unhealthy_service_is_skipped_and_the_probe_is_shown(shop: Workshop) -> None:
    check = "healthcheck: {test: [CMD-SHELL, 'echo no such table; exit 1'], interval: 1s, retries: 1}"
    small(shop, f", {check}")
    with (shop.folder / "compose.yaml").open("a") as file:
        file.write(f"  api: {{image: {shop.engine.image}, depends_on: {{web: {{condition: service_healthy}}}}}}\n")
    done = shop.run("up", "-d", code=1)
    assert "compose.yaml:3:" in done.stderr
    assert "no such table" in done.stderr
    assert "not reached, because of that: service.api.1" in done.stderr


def test_a_job_that_ended_well_is_converged_until_it_is_asked_to_run_again(shop: Workshop) -> None:
    shop.write(f"services: {{job: {{image: {shop.engine.image}, command: [date, +%s%N]}}}}")
    shop.run("up", "-d")
    shop.docker("wait", f"{shop.name}-job-1")
    assert shop.plan()["steps"] == []
    shop.run("up", "-d", "--rerun", "job")
    shop.docker("wait", f"{shop.name}-job-1")
    assert len(shop.docker("logs", f"{shop.name}-job-1").splitlines()) == 2


def test_anonymous_volumes_go_over_to_the_new_container(shop: Workshop) -> None:
    small(shop, ", volumes: [/keep]")
    shop.run("up", "-d")
    shop.docker("exec", f"{shop.name}-web-1", "touch", "/keep/me")
    small(shop, ", volumes: [/keep], environment: {A: b}")
    shop.run("up", "-d")
    assert shop.docker("exec", f"{shop.name}-web-1", "ls", "/keep") == "me\n"
    assert shop.plan()["steps"] == []
    small(shop, ", volumes: [/keep], environment: {A: c}")
    shop.run("up", "-d", "-V")
    assert shop.docker("exec", f"{shop.name}-web-1", "ls", "/keep") == ""


def test_orphans_are_named_and_removed_only_when_asked(shop: Workshop) -> None:
    shop.write(f"services: {{a: {{image: {shop.engine.image}}}, b: {{image: {shop.engine.image}}}}}")
    shop.run("up", "-d")
    shop.write(f"services: {{a: {{image: {shop.engine.image}}}}}")
    assert f"{shop.name}-b-1" in shop.run("up", "-d").stderr
    assert len(shop.containers()) == 2
    shop.run("up", "-d", "--remove-orphans")
    assert set(shop.containers()) == {f"{shop.name}-a-1"}


def test_down_leaves_nothing_but_volumes_and_what_is_external(shop: Workshop) -> None:
    shop.docker("network", "create", f"{shop.name}x")
    shop.write(
        f"services: {{a: {{image: {shop.engine.image}, networks: [default, x], volumes: ['vol:/v']}}}}\n"
        f"networks: {{x: {{external: true, name: {shop.name}x}}}}\nvolumes: {{vol: }}\n"
    )
    shop.run("up", "-d")
    shop.run("down")
    assert shop.containers() == {}
    label = f"label=com.docker.compose.project={shop.name}"
    assert shop.docker("network", "ls", "-q", "--filter", label) == ""
    assert shop.docker("volume", "ls", "-q", "--filter", label) != ""
    shop.run("down", "-v")
    assert shop.docker("volume", "ls", "-q", "--filter", label) == ""
    shop.docker("network", "rm", f"{shop.name}x")


def test_a_port_in_use_is_one_message_with_the_place_in_the_file(shop: Workshop) -> None:
    small(shop, ", ports: ['18099:80']")
    with (shop.folder / "compose.yaml").open("a") as file:
        file.write(f"  api: {{image: {shop.engine.image}, depends_on: [web], ports: ['18099:80']}}\n")
    done = shop.run("up", "-d", code=1)
    assert "compose.yaml:4:" in done.stderr
    assert "port is already allocated" in done.stderr


def test_a_saved_plan_is_applied_exactly_or_refused_when_the_host_moved(shop: Workshop) -> None:
    small(shop)
    shop.run("plan", "--out", "p.json")
    assert (shop.folder / "p.json").stat().st_mode & 0o777 == 0o600
    shop.run("apply", "p.json")
    assert len(shop.containers()) == 1
    done = shop.run("apply", "p.json", code=4)
    assert "stale" in done.stderr


def test_detailed_exitcode_tells_pending_changes_from_none(shop: Workshop) -> None:
    small(shop)
    shop.run("plan", "--detailed-exitcode", code=2)
    shop.run("up", "-d")
    shop.run("plan", "--detailed-exitcode")


def test_stopped_services_are_started_again_by_up(shop: Workshop) -> None:
    small(shop)
    shop.run("up", "-d")
    shop.run("stop", "-t", "1")
    assert shop.inspect(f"{shop.name}-web-1")["State"]["Status"] == "exited"
    assert [(s["action"], s["fields"][0]["path"]) for s in shop.plan()["steps"]] == [("run", "state")]
    shop.run("up", "-d")
    assert shop.inspect(f"{shop.name}-web-1")["State"]["Status"] == "running"


def test_a_project_of_docker_compose_is_adopted_and_the_reverse(shop: Workshop) -> None:
    rich(shop)
    shop.compose("up", "-d")
    before = shop.containers()
    assert shop.plan()["steps"] == []
    shop.run("up", "-d")
    assert shop.containers() == before
    shop.compose("down", "-v")
    shop.run("up", "-d")
    before = shop.containers()
    listed = json.loads(shop.compose("ls", "-a", "--format", "json").stdout)
    assert shop.name in {p["Name"] for p in listed}
    shop.compose("up", "-d")
    assert {n: i for n, i in shop.containers().items() if "-job-" not in n} == {
        n: i for n, i in before.items() if "-job-" not in n
    }


def test_replicas_with_one_fixed_port_are_refused_with_the_remedy(shop: Workshop) -> None:
    small(shop, ", ports: ['18100:80'], scale: 2")
    assert "18100-18101" in shop.run("up", "-d", code=1).stderr
    small(shop, ", ports: ['18100-18101:80'], scale: 2")
    shop.run("up", "-d")
    assert shop.plan()["steps"] == []


def test_a_paused_container_is_drift_that_plan_names_and_up_unpauses(shop: Workshop) -> None:
    small(shop)
    shop.run("up", "-d")
    before = shop.containers()
    shop.run("pause")
    (step,) = shop.plan()["steps"]
    assert (step["action"], step["because"]) == ("update", "it is paused")
    assert [(f["path"], f["old"], f["new"]) for f in step["fields"]] == [("state", "paused", "running")]
    assert "paused" in shop.run("drift", "--no-registry", code=1).stdout
    shop.run("up", "-d")
    assert shop.inspect(f"{shop.name}-web-1")["State"]["Status"] == "running"
    assert shop.containers() == before
    assert shop.plan()["steps"] == []


def test_a_paused_dependency_is_unpaused_before_its_health_is_waited_for(shop: Workshop) -> None:
    rich(shop)
    shop.run("up", "-d")
    shop.run("pause", "db")
    shop.run("up", "-d", "web")
    assert shop.inspect(f"{shop.name}-db-1")["State"]["Status"] == "running"
    assert shop.plan()["steps"] == []


FROM_VARIABLE = """
services:
  web: {{image: {image}, command: sleep 1000, init: true, stop_grace_period: 0s{more}, {kind}s: [word]}}
  other: {{image: {image}, command: sleep 1000, init: true, stop_grace_period: 0s}}
{kind}s: {{word: {{environment: WORD}}}}
"""


@pytest.mark.parametrize("kind", ["secret", "config"])
def test_a_container_is_not_made_without_the_variable_that_its_file_is_to_hold(shop: Workshop, kind: str) -> None:
    def write(more: str = "") -> None:
        shop.write(FROM_VARIABLE.format(image=shop.engine.image, kind=kind, more=more))

    write()
    said = f'compose.yaml:5:{len(kind) + 25}: error[no-content]: {kind} "word" takes its content from the variable WORD'
    for words in (("up", "-d"), ("create",), ("run", "--rm", "web", "true"), ("plan",)):
        assert said in shop.run(*words, code=1).stderr
        assert shop.containers() == {}
    shop.run("up", "-d", "other")
    shop.environment["WORD"] = "planted"
    shop.run("up", "-d")
    before = shop.containers()
    del shop.environment["WORD"]
    assert shop.plan()["steps"] == []
    shop.run("up", "-d")
    assert shop.containers() == before
    write(", mem_limit: 96m")
    shop.run("up", "-d")
    assert shop.containers() == before
    write(", hostname: other")
    assert said.partition(":5:")[0] in shop.run("up", "-d", code=1).stderr
    assert "hostname" in shop.run("diff", code=1).stdout
    assert shop.containers() == before
    shop.environment["WORD"] = ""
    shop.run("up", "-d")
    target = "/run/secrets/word" if kind == "secret" else "/word"
    assert shop.run("exec", "web", "cat", target).stdout == ""


@pytest.mark.parametrize("kind", ["secret", "config"])
def test_an_external_secret_or_config_is_refused_where_a_container_is_to_be_made_with_it(
    shop: Workshop, kind: str
) -> None:
    shop.write(
        FROM_VARIABLE.format(image=shop.engine.image, kind=kind, more="").replace("environment: WORD", "external: true")
    )
    done = shop.run("up", "-d", code=1)
    assert f'error[no-content]: {kind} "word" is external' in done.stderr
    assert shop.containers() == {}


def test_a_restart_takes_those_along_that_depend_on_it_with_restart_true(shop: Workshop) -> None:
    one = f"image: {shop.engine.image}, command: sleep 1000, init: true, stop_grace_period: 0s"
    depends = "depends_on: {db: {condition: service_started, restart: true}}"
    shop.write(f"services:\n  db: {{{one}}}\n  web: {{{one}, {depends}}}\n")
    shop.run("up", "-d")

    def started() -> dict[str, str]:
        return {name: shop.inspect(f"{shop.name}-{name}-1")["State"]["StartedAt"] for name in ("db", "web")}

    first = started()
    shop.run("restart", "-t", "0", "--no-deps", "db")
    alone = started()
    assert (alone["db"] > first["db"], alone["web"]) == (True, first["web"])
    shop.run("restart", "-t", "0", "db")
    assert all(started()[name] > alone[name] for name in alone)


def test_kill_takes_orphans_only_where_it_is_told_to(shop: Workshop) -> None:
    small(shop)
    text = (shop.folder / "compose.yaml").read_text()
    shop.write(text + f"  gone: {{image: {shop.engine.image}, command: sleep 1000, init: true}}\n")
    shop.run("up", "-d")
    shop.write(text)
    shop.run("kill")
    assert shop.inspect(f"{shop.name}-gone-1")["State"]["Running"]
    shop.run("kill", "--remove-orphans")
    assert not shop.inspect(f"{shop.name}-gone-1")["State"]["Running"]
