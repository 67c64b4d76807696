"""Which layers are on the disk for certain. Called by snapshots.layers.

A layer is recorded as soon as it is unpacked, and its files are the page cache's for seconds more: syncing them at once
would double the time of a load. So a layer is marked until a `sync` in the background has carried it to the disk. A
mark that an earlier boot of the machine left is of a layer that a loss of power may have torn: it is read again.
"""

from __future__ import annotations

import os
from pathlib import Path

from engine.daemon.protocols import Store
from engine.kit.syscalls import LIBC, checked

KIND = "layer-unsynced"
BOOT = Path("/proc/sys/kernel/random/boot_id")


class Durability:
    """Marks by the layer's folder. `boot` is the machine's present one."""

    def __init__(self, store: Store, boot: str | None = None) -> None:
        self._store = store
        self._boot = BOOT.read_text().strip() if boot is None else boot

    def mark(self, folder: str) -> None:
        """In the transaction of the layer's own record."""
        self._store.put(KIND, folder, self._boot)

    def settle(self, folder: str) -> None:
        self._store.delete(KIND, folder)

    def suspects(self) -> list[str]:
        """Folders that were on their way to the disk when the machine went down."""
        return [folder for folder, boot in self._store.list(KIND).items() if boot != self._boot]

    def sync(self, root: Path) -> int:
        """Carry everything below `root` to the disk → how many layers are now certain. Blocks, for seconds at times."""
        marked = list(self._store.list(KIND))
        if not marked:
            return 0
        handle = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            checked(LIBC.syncfs(handle), str(root))
        finally:
            os.close(handle)
        for folder in marked:
            self.settle(folder)
        return len(marked)
