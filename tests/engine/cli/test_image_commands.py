"""build, push, pull through a real registry; watch with real files; completion in a real shell."""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.api.capabilities import Capabilities
from engine.api.errors import InvalidArgument
from engine.cli.imageplans import ImagePlan
from engine.plan.observed import EngineIdentity, Observed
from engine.plan.steps import BuildImage, PushImage
from specs.models import Project
from tests.engine.cli.conftest import RORQUAL, Place
from tests.engines import RunningEngine, short_folder

REGISTRY = "version: 0.1\nstorage: {{filesystem: {{rootdirectory: {folder}}}}}\nhttp: {{addr: '{host}'}}\n"


@pytest.fixture(scope="module")
def registry(docker_engine: RunningEngine) -> Iterator[str]:
    """The address of a registry on the engine's own loopback, where engines take plain HTTP."""
    if shutil.which("docker-registry") is None:
        pytest.skip("needs docker-registry")
    host = f"127.0.0.1:{random.randint(20000, 30000)}"
    with short_folder() as folder:
        (folder / "config.yml").write_text(REGISTRY.format(folder=folder, host=host))
        space = f"--net=/proc/{docker_engine.pid}/ns/net"
        process = subprocess.Popen(
            ["nsenter", space, "docker-registry", "serve", str(folder / "config.yml")],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            wait_until_up(docker_engine, host)
            yield host
        finally:
            process.terminate()
            process.wait(10)


def wait_until_up(engine: RunningEngine, host: str) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            engine.inside(["bash", "-c", f"exec 3<>/dev/tcp/{host.replace(':', '/')}"])
        except subprocess.CalledProcessError:
            time.sleep(0.1)
        else:
            return
    pytest.fail("the registry did not start")


@pytest.mark.root
def test_an_image_is_built_pushed_removed_and_pulled(place: Place, registry: str) -> None:
    image = f"{registry}/{place.name}:1"
    (place.folder / "Dockerfile").write_text(f"FROM {place.engine.image}\nARG WORD=none\nRUN echo $WORD > /word\n")
    place.write(f"  app: {{build: {{context: ., args: {{WORD: file}}}}, image: '{image}', command: cat /word}}")
    place.run("build")
    assert place.run("run", "--rm", "app") == "file\n"
    place.run("build", "--build-arg", "WORD=flag", "--push", "app")
    docker = ["docker", "-H", place.engine.host]
    subprocess.run([*docker, "rmi", "-f", image], check=True, capture_output=True)
    place.run("pull")
    assert place.run("run", "--rm", "--pull", "never", "app") == "flag\n"
    place.run("push", "-q")
    assert "is built here" in place.result("pull", "--ignore-buildable").stderr
    assert "has" in place.result("pull", "--policy", "missing").stderr
    subprocess.run([*docker, "rmi", "-f", image], check=True, capture_output=True)


@pytest.mark.root
def test_a_pull_that_fails_is_told_apart_from_one_that_may(place: Place) -> None:
    (place.folder / "Dockerfile").write_text(f"FROM {place.engine.image}\n")
    place.write("  gone: {image: '127.0.0.1:1/gone:1'}\n  made: {image: '127.0.0.1:1/made:1', build: .}")
    assert place.result("pull").returncode == 1
    assert place.result("pull", "--ignore-pull-failures").returncode == 0
    buildable = place.result("pull", "made")
    assert (buildable.returncode, "can be built" in buildable.stderr) == (0, True)
    assert place.result("build", "nobody").returncode == 1


@pytest.mark.root
def test_a_build_that_fails_says_where_and_ends_with_1(place: Place) -> None:
    (place.folder / "Dockerfile").write_text(f"FROM {place.engine.image}\nRUN echo reason >&2; exit 9\n")
    place.write("  app: {build: .}")
    done = place.result("build")
    assert done.returncode == 1
    assert "returned a non-zero code: 9" in done.stderr and "compose.yaml:3:16: error[build-failed]" in done.stderr


WATCHED = """\
  app:
    build: .
    command: [sleep, "1000"]
    stop_grace_period: 0s
    develop:
      watch:
        - {action: sync, path: ./src, target: /srv, ignore: [hidden], initial_sync: true}
        - {action: rebuild, path: lock}
        - {action: sync+restart, path: conf, target: /conf}
        - {action: sync+exec, path: hook, target: /hook, exec: {command: "cp /hook/in /hooked"}}"""


def eventually(place: Place, *command: str, shows: str) -> None:
    deadline = time.monotonic() + 30
    while (seen := place.result("exec", "-T", "app", *command).stdout) != shows:
        assert time.monotonic() < deadline, f"{command} shows {seen!r}"
        time.sleep(0.2)


@pytest.fixture
def watched(place: Place) -> Place:
    (place.folder / "src").mkdir()
    (place.folder / "hook").mkdir()
    for name, text in (("src/first", "1"), ("lock", "a"), ("conf", "x")):
        (place.folder / name).write_text(text)
    (place.folder / "Dockerfile").write_text(f"FROM {place.engine.image}\nCOPY lock /lock\n")
    place.write(WATCHED)
    return place


@pytest.mark.root
def test_watch_syncs_removes_executes_restarts_and_rebuilds(watched: Place) -> None:
    process = watched.begin("watch")
    watched.wait_for("watching for changes")
    source = watched.folder / "src"
    eventually(watched, "cat", "/srv/first", shows="1")
    (source / "deep/er").mkdir(parents=True)
    (source / "deep/er/file").write_text("deep")
    (source / "hidden").write_text("no")
    eventually(watched, "cat", "/srv/deep/er/file", shows="deep")
    shutil.rmtree(source / "deep")
    (source / "first").unlink()
    eventually(watched, "find", "/srv", shows="/srv\n")
    (watched.folder / "hook/in").write_text("hooked")
    eventually(watched, "cat", "/hooked", shows="hooked")
    started = watched.run("ps", "--format", "{{.ID}}")
    replacement = watched.folder / "conf.new"
    replacement.write_text("y")
    replacement.rename(watched.folder / "conf")
    watched.wait_for(r"^restarting ")
    eventually(watched, "cat", "/conf", shows="y")
    assert watched.run("ps", "--format", "{{.ID}}") == started
    (source / "again").write_text("2")
    (watched.folder / "lock").write_text("b")
    eventually(watched, "cat", "/lock", shows="b")
    # what is synced at the start is synced into the new container, too
    eventually(watched, "cat", "/srv/again", shows="2")
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 130
    assert watched.run("ps", "-q")


@pytest.mark.root
def test_up_with_watch_does_both_and_ctrl_c_stops_it_all(watched: Place) -> None:
    process = watched.begin("up", "--watch")
    watched.wait_for("watching for changes")
    (watched.folder / "src/new").write_text("n")
    eventually(watched, "cat", "/srv/new", shows="n")
    (watched.folder / "lock").write_text("c")
    eventually(watched, "cat", "/lock", shows="c")
    eventually(watched, "cat", "/srv/new", shows="n")
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 130
    assert watched.run("ps", "-q") == ""


@pytest.mark.root
def test_a_build_that_fails_does_not_end_the_watch(watched: Place) -> None:
    watched.begin("watch")
    watched.wait_for("watching for changes")
    dockerfile = watched.folder / "Dockerfile"
    good = dockerfile.read_text()
    dockerfile.write_text(good + "RUN exit 9\n")
    (watched.folder / "lock").write_text("broken")
    watched.wait_for("non-zero code: 9")
    dockerfile.write_text(good)
    (watched.folder / "lock").write_text("mended")
    eventually(watched, "cat", "/lock", shows="mended")


@pytest.mark.root
@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("{action: rebuild, path: .}", "needs the service to have a build"),
        ("{action: sync, path: nowhere, target: /x}", "does not exist"),
    ],
)
def test_a_watch_that_can_not_be_is_said_in_words(place: Place, rule: str, message: str) -> None:
    place.write(f"  app: {{image: IMAGE, command: sleep 1, develop: {{watch: [{rule}]}}}}")
    done = place.result("watch", "--no-up")
    assert (done.returncode, message in done.stderr, "Traceback" in done.stderr) == (1, True, False)


@pytest.mark.root
def test_nothing_to_watch_is_an_error(place: Place) -> None:
    place.write("  app: {image: IMAGE}")
    done = place.result("watch", "--no-up")
    assert (done.returncode, "nothing to watch" in done.stderr) == (1, True)


def image_plan(services: dict[str, object], images: dict[str, object] | None = None) -> ImagePlan:
    project = Project.model_validate({"name": "p", "working_dir": "/x", "services": services, "images": images or {}})
    capabilities = Capabilities.__new__(Capabilities)
    return ImagePlan(project, Observed(EngineIdentity("id", "host", "1.41"), capabilities))


def test_an_image_is_built_after_those_that_it_is_made_of() -> None:
    plan = image_plan(
        {
            "app": {"build": {"context": "/x", "additional_contexts": {"base": "service:base"}}},
            "base": {"build": {"context": "/x"}},
        }
    )
    plan.build_service("app")
    steps = plan.finished().steps
    assert [s.action for s in steps] == [BuildImage("base", "p-base", True), BuildImage("app", "p-app", True)]
    assert steps[1].needs == {steps[0].id}


def test_images_that_are_made_of_each_other_are_an_error() -> None:
    build = {"context": "/x", "additional_contexts": {"other": "service:b"}}
    other = {"context": "/x", "additional_contexts": {"other": "service:a"}}
    with pytest.raises(InvalidArgument, match="service:a → service:b → service:a"):
        image_plan({"a": {"build": build}, "b": {"build": other}}).build_service("a")


def test_a_push_is_of_every_name_and_after_the_build() -> None:
    plan = image_plan({"app": {"image": "r/a:1", "build": {"context": "/x", "tags": ["r/a:2"]}}, "db": {"image": "db"}})
    plan.build_service("app")
    plan.push_service("app")
    plan.push_service("db")
    steps = plan.finished().steps
    assert [s.action for s in steps[1:]] == [PushImage("r/a:1"), PushImage("r/a:2")]
    assert steps[1].needs == {1}
    assert plan.notes == ["db: nothing to push: it has no build"]


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    (tmp_path / "compose.yaml").write_text("services: {web: {image: a}, worker: {image: a, profiles: [x]}}\n")
    return tmp_path


def completed(folder: Path, *words: str) -> list[str]:
    done = subprocess.run([RORQUAL, "complete-line", "--", *words], cwd=folder, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.split()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["lo"], ["lock", "logs"]),
        (["logs", "-f", "w"], ["web", "worker"]),
        (["up", "--exit-code-from", "we"], ["web"]),
        (["up", "--scale", "we"], ["web="]),
        (["cp", "wo"], ["worker:"]),
        (["logs", "--time"], ["--timestamps"]),
        (["ps", "--format", ""], ["table", "json"]),
        (["--progress", "p"], ["plain"]),
        (["completion", ""], ["bash", "zsh", "fish"]),
        (["-f", "nowhere.yaml", "logs", ""], []),
        (["no-such-command", ""], []),
    ],
)
def test_what_may_come_next(shop: Path, words: list[str], expected: list[str]) -> None:
    assert completed(shop, *words) == expected


def test_services_come_from_the_file_that_the_words_name(shop: Path) -> None:
    (shop / "other.yaml").write_text("services: {api: {image: a}}\n")
    assert completed(shop, "-f", "other.yaml", "exec", "") == ["api"]
    assert completed(shop, "up", "--file", "other.yaml", "") == ["api"]


def test_bash_completes_by_the_script(shop: Path) -> None:
    script = (
        'eval "$(rorqual completion bash)"; COMP_WORDS=(rorqual stop w); COMP_CWORD=2; _rorqual; echo "${COMPREPLY[@]}"'
    )
    path = f"{Path(RORQUAL).parent}:/usr/bin:/bin"
    done = subprocess.run(["bash", "-c", script], cwd=shop, env={"PATH": path}, capture_output=True, text=True)
    assert done.stdout.split() == ["web", "worker"]


def test_an_unknown_shell_is_a_usage_error() -> None:
    done = subprocess.run([RORQUAL, "completion", "cmd.exe"], capture_output=True, text=True)
    assert (done.returncode, "bash, zsh, fish" in done.stderr) == (64, True)
