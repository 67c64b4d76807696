"""`docker rorqual`: Docker's own command line finds us, and hands over what its user meant."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from engine.cli.plugin import Untranslatable, translated

PLUGIN = Path(sys.executable).with_name("docker-rorqual")


@pytest.fixture
def configuration(tmp_path: Path) -> Path:
    if shutil.which("docker") is None:
        pytest.skip("needs docker; `make test` installs it")
    (tmp_path / "cli-plugins").mkdir()
    (tmp_path / "cli-plugins" / "docker-rorqual").symlink_to(PLUGIN)
    return tmp_path


def docker(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "DOCKER_CONFIG": str(folder)}
    return subprocess.run(["docker", *words], env=environment, capture_output=True, text=True, check=False)


def test_dockers_flags_before_our_name_are_ours() -> None:
    assert translated(["rorqual", "up", "-d", "-f", "a.yaml"]) == (["up", "-d", "-f", "a.yaml"], None)
    assert translated(["-H", "unix:///x", "--context=far", "rorqual", "ps"]) == (
        ["--host", "unix:///x", "--context", "far", "ps"],
        None,
    )
    assert translated(["-cfar", "--config", "/c", "rorqual"]) == (["--context", "far"], "/c")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--tlsverify", "rorqual", "ps"], "docker's --tlsverify has no meaning"),
        (["-c"], "docker's --context wants a value"),
        (["ps"], "write `docker rorqual ps`"),
    ],
)
def test_what_is_not_dockers_call_is_told(words: list[str], told: str) -> None:
    with pytest.raises(Untranslatable, match=told):
        translated(words)


def test_docker_lists_the_plugin_and_calls_it(configuration: Path) -> None:
    assert "rorqual*" in docker(configuration, "--help").stdout
    assert docker(configuration, "rorqual", "version", "--short").stdout[0].isdigit()
    (configuration / "compose.yaml").write_text("name: p\nservices: {a: {image: b, enviroment: {}}}\n")
    found = docker(configuration, "rorqual", "-f", str(configuration / "compose.yaml"), "validate")
    assert found.returncode != 0 and 'did you mean "environment"?' in found.stdout + found.stderr


def test_a_flag_of_dockers_without_a_meaning_is_told(configuration: Path) -> None:
    found = docker(configuration, "--tls", "rorqual", "ps")
    assert (found.returncode, found.stderr) == (
        64,
        "rorqual: docker's --tls has no meaning for rorqual: leave it out\n",
    )
