"""A daemon's networks at work, to be killed: attaches and detaches boxes at random until somebody ends the process.

`python -m tests.engine.daemon.networks.churn FOLDER SEED PID…`. Says on stdout what it begins and what is done.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Sequence
from pathlib import Path

import anyio

from engine.daemon.events import EventBus
from engine.daemon.networks.opening import OpenNetworks, open_networks
from engine.daemon.protocols import Places
from engine.daemon.store.records import RecordStore
from engine.kit.clock import SystemClock
from tests.engine.daemon.networks.netns import attachment, id_of

AT_ONCE = 3


def name_of(pid: int) -> str:
    return f"box-{pid}"


async def churn(folder: Path, seed: int, pids: Sequence[int]) -> None:
    places = Places(folder / "root", folder / "run", folder / "engine.sock")
    store = RecordStore(places.root / "records.db")
    async with (
        open_networks(places, store, EventBus(SystemClock()), SystemClock()) as networks,
        anyio.create_task_group() as tasks,
    ):
        attached = {
            pid for pid in pids if (places.run / "networks/containers" / f"{id_of(name_of(pid))}.json").exists()
        }
        await networks.room.recover({id_of(name_of(pid)): netns_of(pid) for pid in attached})
        choose = random.Random(seed)
        for part in range(AT_ONCE):
            tasks.start_soon(work, networks, choose, pids[part::AT_ONCE], attached)


async def work(networks: OpenNetworks, choose: random.Random, pids: Sequence[int], attached: set[int]) -> None:
    while True:
        pid = choose.choice(pids)
        print(f"begin {pid}", flush=True)
        if pid in attached:
            await networks.room.detach(id_of(name_of(pid)))
            attached.discard(pid)
            # As a runtime does: the namespace goes with the process, and this one is to be used again.
            await anyio.run_process(["nsenter", f"--net={netns_of(pid)}", "ip", "link", "del", "eth0"], check=False)
            print(f"detached {pid}", flush=True)
        else:
            bindings = {"80/tcp": [{"HostPort": str(10000 + pid % 20000)}]} if choose.random() < 0.5 else {}
            await networks.room.attach(attachment(name_of(pid), bindings=bindings), netns_of(pid))
            attached.add(pid)
            print(f"attached {pid}", flush=True)


def netns_of(pid: int) -> Path:
    return Path(f"/proc/{pid}/ns/net")


if __name__ == "__main__":
    anyio.run(churn, Path(sys.argv[1]), int(sys.argv[2]), [int(text) for text in sys.argv[3:]])
