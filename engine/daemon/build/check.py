"""The builder: steps and cache mounts without a record or a folder, and the work folders of builds that are over."""

from __future__ import annotations

import shutil

from engine.daemon.build.room import BuildRoom
from engine.daemon.checking import Finding, in_thread
from engine.daemon.runtime.check import clear


async def build_findings(builds: BuildRoom) -> list[Finding]:
    cache, found = builds.rooms.cache, []
    for path in cache.strays():
        remove = in_thread(shutil.rmtree, path)
        found.append(Finding("build cache", str(path), "no cache mount has this folder", "remove it", remove))
    for key in cache.unrecorded():
        again = in_thread(cache.record_again, key)
        found.append(Finding("build cache", key, "its record is gone", "write the record again", again))
    for key, words in cache.lost().items():
        found.append(Finding("build cache", key, words, "forget it", in_thread(cache.drop, key)))
    for path in builds.strays():
        found.append(Finding("build", str(path), "its build is over", "remove it", in_thread(clear, path)))
    return found
