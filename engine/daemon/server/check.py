"""/rorqual/check: the engine's state looked through (GET) or mended (POST). Rorqual's own addition to the API."""

from __future__ import annotations

from collections.abc import Mapping

from engine.api.system import CheckAnswer, CheckFinding
from engine.daemon.checking import Check, Finding, Verdict
from engine.daemon.server.request import Request
from engine.daemon.server.router import Route


def routes(check: Check) -> list[Route]:
    async def look(request: Request) -> None:
        await request.answer_json(answer_of(await check.look()))

    async def mend(request: Request) -> None:
        await request.answer_json(answer_of(await check.mend()))

    return [Route("GET", "/rorqual/check", look), Route("POST", "/rorqual/check", mend)]


def answer_of(verdict: Verdict) -> CheckAnswer:
    return {
        "Findings": [shown(finding, verdict.failures or {}) for finding in verdict.findings],
        "Mended": [shown(finding, {}) for finding in verdict.mended],
    }


def shown(finding: Finding, failures: Mapping[tuple[str, str, str], str]) -> CheckFinding:
    made: CheckFinding = {
        "Kind": finding.kind,
        "What": finding.what,
        "Fault": finding.fault,
        "Remedy": finding.remedy,
        "Mendable": finding.mend is not None,
    }
    if finding.key in failures:
        made["Error"] = failures[finding.key]
    return made
