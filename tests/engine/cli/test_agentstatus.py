"""The table of `rorqual agent status`: on one line where there is room, and readable in 80 columns."""

from __future__ import annotations

from typing import Any

from engine.cli.agentstatus import is_well, render_status

GOOD, BAD = "7b9e1b2d3be7" + "0" * 28, "a1ab5c2f2243" + "0" * 28
WHY = f"{BAD[:12]} is held: service.web.1: shop-web-1 is unhealthy (last health probe exited with 1: wget: 404)"


def project(name: str, **more: Any) -> dict[str, Any]:
    well = {"sync": "synced", "health": "healthy", "waiting": "", "reason": "", "synced": GOOD, "target": GOOD}
    return {"project": name, **well, **more}


HELD = project("shop", sync="out-of-sync", waiting="newer-revision", reason=WHY, target=BAD)
SOURCES = [{"source": "site", "error": ""}, {"source": "team", "error": "git fetch: Permission denied (publickey)."}]


def test_a_program_reads_one_line_a_project() -> None:
    lines = render_status([project("blog"), HELD], SOURCES, None).splitlines()
    assert [line.split()[0] for line in lines] == ["PROJECT", "blog", "shop", "source"]
    assert lines[2].endswith(WHY)


def test_in_80_columns_every_reason_is_whole_below_the_table() -> None:
    lines = render_status([project("blog"), HELD], SOURCES, 80).splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0].split() == ["PROJECT", "SYNC", "HEALTH", "REVISION", "WAITING"]
    assert lines[2].split() == ["shop", "out-of-sync", "healthy", GOOD[:12], "→", BAD[:12], "newer-revision"]
    assert " ".join(line.strip() for line in lines[3:]) == f"shop: {WHY} source team: {SOURCES[1]['error']}"


def test_in_60_columns_nothing_is_cut_but_the_ids() -> None:
    lines = render_status([project("billing", health="degraded"), HELD], SOURCES, 60).splitlines()
    assert max(map(len, lines)) <= 60
    assert lines[0].split() == ["PROJECT", "SYNC", "HEALTH", "REVISION"]
    assert lines[1].split() == ["billing", "synced", "degraded", GOOD[:7]]
    assert lines[2].split() == ["shop", "out-of-sync", "healthy", GOOD[:7], "→", BAD[:7]]
    assert " ".join(line.strip() for line in lines[3:]) == f"shop: {WHY} source team: {SOURCES[1]['error']}"


def test_what_fits_in_80_columns_stays_on_one_line() -> None:
    lines = render_status([project("blog", reason="suspended", waiting="suspended")], [], 80).splitlines()
    assert lines[0].endswith("REASON") and lines[1].endswith("suspended") and len(lines) == 2


def test_a_live_table_begins_with_what_is_not_well() -> None:
    projects = [project("a"), project("b", health="degraded"), project("c"), HELD]
    assert [each["project"] for each in sorted(projects, key=is_well)] == ["b", "shop", "a", "c"]
