"""The records themselves: damaged ones, and a damaged file of them."""

from __future__ import annotations

from anyio import to_thread

from engine.daemon.checking import Finding, in_thread
from engine.daemon.store.records import RecordStore

RESTART = "restart the daemon: it sets the file aside and keeps what can be read of it"


async def record_findings(store: RecordStore) -> list[Finding]:
    found: list[Finding] = []
    verdict = await to_thread.run_sync(store.verdict)
    if verdict != "ok":
        found.append(Finding("records", str(store.path), f"SQLite calls the file damaged: {verdict}", RESTART))
    for id in await to_thread.run_sync(store.set_aside):
        forget = in_thread(store.forget_set_aside, id)
        found.append(Finding("record", id, "a damaged record, set aside", "forget it", forget))
    return found
