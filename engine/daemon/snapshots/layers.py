"""Layers on the disk, each once, and the chains that they make. Read-only once unpacked.

A layer is a numbered folder below `layers` (short, for overlayfs's sake), its recipe beside it; a record per ChainID
names its DiffID, its parent and its folder. Chains with the same DiffID share the folder, if what the layer leaves to
those below it is the same there. A folder without a record is what a killed daemon left, and goes at the next start.
Source: OCI image-spec v1.1, config.md#layer-chainid.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import random
import shutil
import sys
import threading
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from engine.api.errors import NotFound, SystemFailure
from engine.daemon.protocols import Store
from engine.daemon.snapshots.adopt import Adoption
from engine.daemon.snapshots.apart import take_in_apart
from engine.daemon.snapshots.durability import Durability
from engine.daemon.snapshots.intake import take_in
from engine.daemon.snapshots.parents import borrow_from_parents, lends_the_same
from engine.daemon.snapshots.recipe import Borrowed, RecipeWriter, borrowed, records, tar_of
from engine.daemon.snapshots.streams import Next, Pieces
from engine.daemon.snapshots.unpack import Unpacked
from engine.kit.files import spread_below

KIND = "layer"
# A chain longer than this can't be mounted by any overlayfs.
LONGEST_CHAIN = 500
# A packed layer that is smaller is unpacked before a process of its own would have started.
SMALL = 1 << 20
# Where the folders' numbers begin, at random. ext4 finds a folder's place by its name; without a journal a file takes
# five times as long where others were removed in the last minutes, such as those of the engine that was here before.
FIRST_NUMBERS = (36**3, 2 * 36**3)
# The folder that stands for no layer at all: overlayfs wants one.
EMPTY = "0"


@dataclass(frozen=True, slots=True)
class Layer:
    """`size` is the sum of its files' sizes, as Docker counts; `parent` is the ChainID below, empty for a base."""

    chain_id: str
    diff_id: str
    parent: str
    folder: str
    size: int


@dataclass(frozen=True, slots=True)
class Fresh:
    """An unpacked layer that is in no chain yet."""

    diff_id: str
    folder: str
    found: Unpacked


def chain_id_of(parent: str, diff_id: str) -> str:
    return f"sha256:{hashlib.sha256(f'{parent} {diff_id}'.encode()).hexdigest()}" if parent else diff_id


class Layers:
    def __init__(self, root: Path, store: Store, *, apart_from: int = SMALL, boot: str | None = None) -> None:
        """`apart_from`: how large a packed layer is that gets a process of its own, in bytes. `boot`: a test's."""
        self.root = root
        self._apart_from = apart_from
        self._store = store
        root.mkdir(parents=True, exist_ok=True)
        spread_below(root)
        self._chains = {id: Layer(**record) for id, record in store.list(KIND).items()}
        self._leased: Counter[str] = Counter()
        self._adders = 0
        self._recent: set[str] = set()
        # The folders of layers that are unpacked and in no chain yet.
        self._fresh: set[str] = set()
        self._durability = Durability(store, boot)
        self._drop_torn()
        self._remove_strays()
        numbers = [int(layer.folder, 36) for layer in self.all()]
        self._numbers = itertools.count(max(numbers, default=random.randrange(*FIRST_NUMBERS)) + 1)
        # Chains grow one at a time: threads of several pulls and loads come here.
        self._turn = threading.RLock()

    def _drop_torn(self) -> None:
        """After a loss of power: a layer whose files did not all reach the disk is gone, until it is loaded again."""
        for folder in self._durability.suspects():
            own = [layer for layer in self.all() if layer.folder == folder]
            try:
                for _ in self.tar(own[0].chain_id) if own else ():
                    pass
            except (SystemFailure, OSError, ValueError) as error:
                print(f"rorqual: layer {own[0].diff_id} did not reach the disk: {error}", file=sys.stderr, flush=True)
                with self._store.transaction():
                    for layer in own:
                        self._store.delete(KIND, layer.chain_id)
                self._chains = {id: layer for id, layer in self._chains.items() if layer.folder != folder}
            self._durability.settle(folder)

    def sync(self) -> None:
        """What was unpacked lately reaches the disk. Blocks: for a thread, now and then."""
        self._durability.sync(self.root)

    def _remove_strays(self) -> None:
        known = {layer.folder for layer in self.all()} | {EMPTY}
        for path in self.root.iterdir():
            if path.name.partition(".")[0] not in known:
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        lost = [id for id, layer in self._chains.items() if not (self.root / layer.folder).is_dir()]
        for id in lost:
            del self._chains[id]
            self._store.delete(KIND, id)

    # --- reading
    def get(self, chain_id: str) -> Layer:
        try:
            return self._chains[chain_id]
        except KeyError:
            raise NotFound(f"no such layer: {chain_id}") from None

    def has(self, chain_id: str) -> bool:
        return chain_id in self._chains

    def all(self) -> list[Layer]:
        return list(self._chains.values())

    def chain(self, chain_id: str) -> list[Layer]:
        """From the top down to the base. Raises NotFound."""
        found: list[Layer] = []
        while chain_id:
            found.append(self.get(chain_id))
            chain_id = found[-1].parent
        return found

    def folders(self, chain_id: str) -> list[Path]:
        """From the top down, as overlayfs wants them.

        It refuses (ELOOP) a folder that is there twice. A layer that a chain has twice, such as two RUNs that leave
        the same behind, shows nothing from its lower place: the upper one has all of it.
        """
        return list(dict.fromkeys(self.root / layer.folder for layer in self.chain(chain_id)))

    def tar(self, chain_id: str) -> Iterator[bytes]:
        """The layer's tar as it was, its digest checked at the end. Blocks. Raises NotFound, SystemFailure."""
        layer = self.get(chain_id)
        folder = self.root / layer.folder
        return tar_of(self._recipe(chain_id), folder, folder.with_suffix(".aside"), layer.diff_id)

    def tar_size(self, chain_id: str) -> int:
        """The bytes of `tar`, without making it. Blocks for a moment."""
        return sum(size if kind == b"F" else len(content) for kind, content, size in records(self._recipe(chain_id)))

    def _recipe(self, chain_id: str) -> Path:
        return (self.root / self.get(chain_id).folder).with_suffix(".recipe")

    # --- writing; these block on the disk
    def unpack(self, packed: Next) -> Fresh:
        """Unpack one layer, compressed or not; read to its end. Raises TarFault. Nothing stays of a failed one."""
        folder = self._fresh_folder()
        root = self.root / folder
        root.mkdir(mode=0o755)
        try:
            head = Pieces(packed)
            begun = head.peek(self._apart_from)
            take = take_in if len(begun) < self._apart_from else take_in_apart
            diff_id, found = take(head.next, root)
            return Fresh(diff_id, folder, found)
        except BaseException:
            self._delete(folder)
            raise

    def adopt(self, upper: Path, latest_ns: int | None = None) -> Fresh:
        """The upper folder of an overlay, no longer mounted and on this file system, as a layer; it is moved away.

        No time in it is later than `latest_ns`. Nothing stays of a failed one.
        """
        folder = self._fresh_folder()
        root = self.root / folder
        os.rename(upper, root)
        try:
            with root.with_suffix(".recipe").open("xb") as file:
                recipe = RecipeWriter(file, root.with_suffix(".aside"))
                adoption = Adoption(root, recipe, latest_ns)
                diff_id = adoption.run()
                # overlayfs copied up what changed, folders and all; its root is like the one below
                recipe.borrows(Borrowed(implied=[b""]))
                recipe.finish()
            return Fresh(diff_id, folder, Unpacked(adoption.size))
        except BaseException:
            self._delete(folder)
            raise

    def _fresh_folder(self) -> str:
        folder = base36(next(self._numbers))
        self._fresh.add(folder)
        return folder

    def discard(self, fresh: Fresh) -> None:
        """The layer was not wanted after all; one that is in a chain by now stays."""
        self._fresh.discard(fresh.folder)
        if not any(layer.folder == fresh.folder for layer in self.all()):
            self._delete(fresh.folder)

    def append(self, parent: str, fresh: Fresh) -> Layer:
        """The chain of `parent` (empty: none) and a fresh layer on top. What both have already is kept.

        Raises TarFault for a hard link to what no layer has.
        """
        with self._turn:
            if fresh.folder not in self._fresh and (known := self.append_known(parent, fresh.diff_id)):
                return known
            return self._known(parent, fresh.diff_id) or self._put_on(parent, fresh)

    def append_known(self, parent: str, diff_id: str) -> Layer | None:
        """As `append`, with a layer that another chain has; None when none has it.

        It is unpacked once more where it would not be the same on this parent.
        """
        if known := self._chain(parent, diff_id):
            return known
        with self._turn:
            known, twin = self._known(parent, diff_id), self._by_diff(diff_id)
            if known is not None or twin is None:
                return known
            if self._adders:
                self._recent.add(twin.chain_id)
            tar = self.tar(twin.chain_id)
            fresh = self.unpack(lambda: next(tar, b""))
            try:
                return self._put_on(parent, fresh)
            finally:
                self.discard(fresh)

    def _chain(self, parent: str, diff_id: str) -> Layer | None:
        chain_id = chain_id_of(parent, diff_id)
        if self._adders:
            self._recent.add(chain_id)
        return self._chains.get(chain_id)

    def _known(self, parent: str, diff_id: str) -> Layer | None:
        """The chain, if it is there, or if another one's folder serves it as it is."""
        if known := self._chain(parent, diff_id):
            return known
        lower = self.folders(parent) if parent else []
        for twin in {layer.folder: layer for layer in self.all() if layer.diff_id == diff_id}.values():
            wanted = borrowed(self._recipe(twin.chain_id))
            if wanted is not None and lends_the_same(self.root / twin.folder, lower, wanted):
                return self._record(Layer(chain_id_of(parent, diff_id), diff_id, parent, twin.folder, twin.size))
        return None

    def _put_on(self, parent: str, fresh: Fresh) -> Layer:
        lower = self.folders(parent) if parent else []
        if len(lower) >= LONGEST_CHAIN:
            raise SystemFailure(f"an image of more than {LONGEST_CHAIN} layers can't be mounted")
        borrow_from_parents(self.root / fresh.folder, lower, fresh.found)
        chain_id = chain_id_of(parent, fresh.diff_id)
        return self._record(Layer(chain_id, fresh.diff_id, parent, fresh.folder, fresh.found.size))

    def has_diff(self, diff_id: str) -> bool:
        return self._by_diff(diff_id) is not None

    def _by_diff(self, diff_id: str) -> Layer | None:
        return next((layer for layer in self.all() if layer.diff_id == diff_id), None)

    def _record(self, layer: Layer) -> Layer:
        with self._store.transaction():
            self._store.put(KIND, layer.chain_id, asdict(layer))
            if layer.folder in self._fresh:
                self._durability.mark(layer.folder)
        self._chains[layer.chain_id] = layer
        self._fresh.discard(layer.folder)
        return layer

    @contextmanager
    def adding(self) -> Iterator[None]:
        """While somebody is in such a block, chains made or met by `append` are not collected: records come later."""
        self._adders += 1
        try:
            yield
        finally:
            self._adders -= 1
            if not self._adders:
                self._recent.clear()

    @contextmanager
    def lease(self, chain_id: str) -> Iterator[None]:
        """Not collected within the block."""
        self._leased[chain_id] += 1
        try:
            yield
        finally:
            self._leased[chain_id] -= 1

    def forget_unused(self, tops: Collection[str]) -> list[Layer]:
        """Take the records of all chains that nobody needs: `tops`, those leased, and what is below them stay.

        Their folders are for `sweep` to remove, in a thread; what a crash in between leaves, the next start removes.
        """
        needed: set[str] = set()
        leased = [id for id, count in self._leased.items() if count > 0]
        for top in (*tops, *leased, *tuple(self._recent)):
            while top and top not in needed and top in self._chains:
                needed.add(top)
                top = self._chains[top].parent
        unused = [layer for id, layer in list(self._chains.items()) if id not in needed]
        with self._store.transaction():
            for layer in unused:
                self._store.delete(KIND, layer.chain_id)
        for layer in unused:
            del self._chains[layer.chain_id]
        return unused

    def sweep(self, layers: Collection[Layer]) -> int:
        """Remove the folders of forgotten layers that no other chain shares → the size of their files."""
        shared = {layer.folder for layer in self.all()}
        gone = {layer.folder: layer.size for layer in layers if layer.folder not in shared}
        for folder in gone:
            self._delete(folder)
        return sum(gone.values())

    # --- a check's
    def strays(self) -> list[str]:
        """Folders that no chain names and nobody is filling. Blocks."""
        there = {path.name.partition(".")[0] for path in self.root.iterdir()}
        return sorted(there - {layer.folder for layer in self.all()} - self._fresh - {EMPTY})

    def remove_stray(self, folder: str) -> None:
        """Blocks. Numbers are not given twice: a stray stays one."""
        self._delete(folder)

    def unrecorded(self) -> list[Layer]:
        recorded = self._store.list(KIND)
        return [layer for id, layer in self._chains.items() if id not in recorded]

    def record_again(self, layer: Layer) -> None:
        if layer.chain_id in self._chains:
            self._record(layer)

    def _delete(self, folder: str) -> None:
        self._fresh.discard(folder)
        root = self.root / folder
        for path in (root, root.with_suffix(".aside")):
            shutil.rmtree(path, ignore_errors=True)
        with contextlib.suppress(FileNotFoundError):
            root.with_suffix(".recipe").unlink()


def base36(number: int) -> str:
    digits = ""
    while number:
        number, rest = divmod(number, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[rest] + digits
    return digits or "0"


def size_of(folder: Path) -> int:
    """Bytes of the regular files below, hard links once."""
    total, seen = 0, set()
    waiting = [os.fspath(folder)]
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
                elif entry.is_file(follow_symlinks=False):
                    status = entry.stat(follow_symlinks=False)
                    if status.st_nlink == 1 or status.st_ino not in seen:
                        total += status.st_size
                        seen.add(status.st_ino)
    return total
