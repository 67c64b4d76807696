"""Input that wants to hurt: each file gets one clear diagnostic, soon, and within little memory."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.specs.hostile import outcomes

GOOD = "services: {a: {image: x}}\n"
SOON_SECONDS = 2.0


def bomb(levels: int, width: int = 10) -> str:
    lines = ["x-a0: &a0 [lol, lol]"]
    lines += [f"x-a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * width)}]" for i in range(1, levels)]
    return "\n".join([*lines, GOOD])


def merge_bomb(levels: int) -> str:
    lines = ["x-a0: &a0 {k: v}"]
    lines += [f"x-a{i}: &a{i} {{l: *a{i - 1}, r: *a{i - 1}}}" for i in range(1, levels)]
    return "\n".join([*lines, f"services: {{a: {{image: x, labels: *a{levels - 1}}}}}"])


# name → the text, and the codes of which one must be told
TEXTS: dict[str, tuple[str | bytes, set[str]]] = {
    "alias bomb": (bomb(9), {"alias-bomb"}),
    "alias bomb of mappings": (merge_bomb(40), {"alias-bomb"}),
    "alias of itself": ("x-a: &a [*a]\n" + GOOD, {"anchor-cycle"}),
    "not UTF-8": (b"services: {a: {image: x, labels: {a: \xe9}}}", {"yaml-encoding"}),
    "UTF-8 cut short": (b"services: {a: {image: x\xf0\x9f", {"yaml-encoding"}),
    "a NUL": (b"services: {a: {image: 'x\0y'}}", {"yaml-encoding", "yaml-syntax"}),
    "a control character": (b"services: {a: {image: 'x\x07y'}}", {"yaml-encoding", "yaml-syntax"}),
    "tabs": ("services:\n\ta:\n\t\timage: x\n", {"yaml-syntax"}),
    "a picture": (b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40, {"yaml-encoding", "yaml-syntax"}),
    "a duplicate key": ("services:\n  a: {image: x}\n  a: {image: y}\n", {"duplicate-key"}),
    "a duplicate key deep down": ("services:\n  a:\n    image: x\n    image: y\n", {"duplicate-key"}),
    "deep lists": ("x-a: " + "[" * 100_000 + "]" * 100_000 + "\n" + GOOD, {"yaml-depth"}),
    "deep mappings": ("x-a: " + "{a: " * 50_000 + "}" * 50_000 + "\n" + GOOD, {"yaml-depth"}),
    "deep indentation": ("".join(" " * i + "a:\n" for i in range(3000)), {"yaml-depth", "unknown-key"}),
    "deep and never closed": ("x-a: " + "[" * 200_000, {"yaml-depth", "yaml-syntax"}),
    "a scalar": ("just text", {"wrong-type", "empty-file"}),
    "a list": ("- a\n- b\n", {"wrong-type", "empty-file"}),
    "nothing": ("", {"empty-file"}),
    "spaces": ("   \n\n", {"empty-file"}),
    "an open quote": ("services: {a: {image: 'x}}\n" + "y\n" * 1000, {"yaml-syntax"}),
    "an object of Python's": ("services: {a: !!python/object/apply:os.system [x]}", {"wrong-type"}),
    "an unknown anchor": ("services: {a: *nope}", {"unknown-anchor"}),
    "extends itself": ("services: {a: {image: x, extends: a}}", {"extends-cycle"}),
    "extends in a circle": ("services: {a: {extends: b}, b: {extends: c}, c: {extends: a}}", {"extends-cycle"}),
    "includes itself": ("include: [compose.yaml]\n" + GOOD, {"include-cycle"}),
    "an open interpolation": (f"services: {{a: {{image: 'x:{'${A:-' * 20_000}'}}}}", {"bad-variable", "too-deep"}),
}  # fmt: skip


def told(folder: Path, codes: set[str]) -> dict[str, Any]:
    """The only outcome: a refusal, soon, whose first error is one of these."""
    (answer,) = outcomes([folder])
    assert "refused" in answer, answer
    assert answer["refused"][0] in codes, answer
    assert answer["seconds"] < SOON_SECONDS, answer
    assert len(answer["messages"]) < 10
    return answer


@pytest.mark.parametrize("name", TEXTS)
def test_a_hostile_file_is_refused_soon_with_one_clear_word(name: str, tmp_path: Path) -> None:
    text, codes = TEXTS[name]
    (tmp_path / "compose.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    told(tmp_path, codes)


def a_directory(path: Path) -> None:
    path.mkdir()


def a_dangling_link(path: Path) -> None:
    path.symlink_to("nowhere")


def a_link_to_itself(path: Path) -> None:
    path.symlink_to(path.name)


def unreadable(path: Path) -> None:
    path.write_text(GOOD)
    path.chmod(0)


@pytest.mark.parametrize("make", [a_directory, a_dangling_link, a_link_to_itself])
def test_what_is_no_file_is_told(make: Callable[[Path], None], tmp_path: Path) -> None:
    make(tmp_path / "compose.yaml")
    told(tmp_path, {"file-missing", "no-file"})


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_without_permission_is_told(tmp_path: Path) -> None:
    unreadable(tmp_path / "compose.yaml")
    told(tmp_path, {"file-missing"})


@pytest.mark.parametrize("make", [a_directory, a_dangling_link, a_link_to_itself])
@pytest.mark.parametrize("place", ["env_file: e", "label_file: e", "extends: {file: e, service: a}"])
def test_what_is_no_file_is_told_where_a_service_names_it(
    place: str, make: Callable[[Path], None], tmp_path: Path
) -> None:
    (tmp_path / "compose.yaml").write_text(f"services: {{a: {{image: x, {place}}}}}")
    make(tmp_path / "e")
    (answer,) = outcomes([tmp_path])
    assert len(answer["refused"]) == 1
    assert answer["messages"][0].startswith("compose.yaml:1:")


def test_a_file_of_a_hundred_megabytes_is_refused_unread(tmp_path: Path) -> None:
    with open(tmp_path / "compose.yaml", "wb") as file:
        file.write(GOOD.encode())
        file.truncate(100 << 20)
    told(tmp_path, {"file-too-large"})


def test_a_large_file_within_the_limit_keeps_within_time_and_memory(tmp_path: Path) -> None:
    """1 MB of services: the limit that the bench measures."""
    body = "".join(
        f"  s{i}: {{image: 'x:{i}', environment: {{A: '{i}', B: c}}, labels: [a=b]}}\n" for i in range(13_000)
    )
    (tmp_path / "compose.yaml").write_text("services:\n" + body[: 1 << 20].rpartition("\n")[0] + "\n")
    (answer,) = outcomes([tmp_path])
    assert answer.get("accepted"), answer


def test_includes_in_a_circle_of_files_are_told_with_both(tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text("include: [b.yaml]\n")
    (tmp_path / "b.yaml").write_text("include: [compose.yaml]\n")
    answer = told(tmp_path, {"include-cycle"})
    assert "b.yaml" in answer["messages"][0]


def test_an_interpolation_nested_a_thousand_deep_is_filled_in(tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text(f"services: {{a: {{image: 'x:{'${A:-' * 1000}{'}' * 1000}'}}}}")
    (answer,) = outcomes([tmp_path])
    assert answer.get("accepted") and answer["seconds"] < SOON_SECONDS


def test_a_chain_of_a_thousand_includes_is_told(tmp_path: Path) -> None:
    for number in range(1000):
        name = "compose.yaml" if number == 0 else f"{number}.yaml"
        (tmp_path / name).write_text(f"include: [{number + 1}.yaml]\nservices: {{s{number}: {{image: x}}}}\n")
    (tmp_path / "1000.yaml").write_text(GOOD)
    told(tmp_path, {"include-depth"})


def test_a_chain_of_a_thousand_extends_is_accepted_or_told(tmp_path: Path) -> None:
    chain = "".join(f"  s{i}: {{extends: s{i + 1}}}\n" for i in range(1000))
    (tmp_path / "compose.yaml").write_text(f"services:\n{chain}  s1000: {{image: x}}\n")
    (answer,) = outcomes([tmp_path])
    assert "broke" not in answer, answer


def test_a_path_out_of_the_project_is_read_as_compose_reads_it(tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    (tmp_path / "base.yaml").write_text("services: {b: {image: y}}")
    (inner / "compose.yaml").write_text("services: {a: {extends: {file: ../base.yaml, service: b}}}")
    assert outcomes([inner])[0].get("accepted")
    (inner / "compose.yaml").write_text(
        "services: {a: {extends: {file: ../../../../../../../../nope.yaml, service: b}}}"
    )
    assert outcomes([inner])[0]["refused"] == ["file-missing"]


@pytest.mark.slow
def test_the_worker_really_is_limited(tmp_path: Path) -> None:
    """The tests above prove nothing if the limits don't hold: a pipe whose writer says nothing is waited for."""
    os.mkfifo(tmp_path / "e")
    (tmp_path / "compose.yaml").write_text("services: {a: {image: x, env_file: e}}\n")
    writer = os.open(tmp_path / "e", os.O_RDWR)
    try:
        (answer,) = outcomes([tmp_path])
    finally:
        os.close(writer)
    assert "killed" in answer["broke"]
