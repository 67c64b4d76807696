"""A layer's stream, taken apart: decompressed, its DiffID told, its files in a folder and its recipe beside it.

In a process of its own the stream is read ahead by a thread (`ahead`): decompressing and hashing let go of the
interpreter, and so go on while files are made. Called by snapshots.layers and snapshots.apart_main.
"""

from __future__ import annotations

import hashlib
import queue
import threading
from pathlib import Path

from engine.daemon.snapshots.recipe import Borrowed, RecipeWriter
from engine.daemon.snapshots.streams import Next, Pieces, unpacked
from engine.daemon.snapshots.unpack import Unpacked, unpack_layer

# Pieces of at most streams.PIECE bytes that the reader may be ahead by.
MOST_AHEAD = 16
# Of 1,024 descriptors, which is what a process has at least.
OPEN_FOLDERS = 512


class Hashed:
    """A Next that remembers the digest of what went through."""

    def __init__(self, next_piece: Next, algorithm: str = "sha256") -> None:
        self._next = next_piece
        self._hash = hashlib.new(algorithm)

    def next(self) -> bytes:
        piece = self._next()
        self._hash.update(piece)
        return piece

    def digest(self) -> str:
        return self._hash.hexdigest()


def take_in(packed: Next, root: Path, *, alone: bool = False) -> tuple[str, Unpacked]:
    """Unpack one layer, compressed or not, into the empty folder `root` → (DiffID, what was found).

    `alone`: in a process of its own. The stream is read to its end. On a fault the folder is left partial. Raises
    TarFault, OSError.
    """
    plain = Hashed(unpacked(Pieces(packed)))
    with root.with_suffix(".recipe").open("xb") as file:
        recipe = RecipeWriter(file, root.with_suffix(".aside"))
        if alone:
            found = unpack_layer(Pieces(ahead(plain.next)), root, recipe, open_folders=OPEN_FOLDERS)
        else:
            found = unpack_layer(Pieces(plain.next), root, recipe)
        recipe.borrows(Borrowed(found.implied, found.missing))
        recipe.finish()
    return f"sha256:{plain.digest()}", found


def ahead(source: Next) -> Next:
    """`source`, read by a thread of its own, which ends with the process. Its fault is raised where its piece was due.

    After a fault in the layer the thread is left waiting, for the source or for room: nobody can call that off.
    """
    pieces: queue.Queue[bytes | Exception] = queue.Queue(MOST_AHEAD)

    def run() -> None:
        piece: bytes | Exception = b"-"
        while piece and not isinstance(piece, Exception):
            try:
                piece = source()
            except Exception as error:
                piece = error
            pieces.put(piece)

    ended = False

    def next_piece() -> bytes:
        nonlocal ended
        if ended:
            return b""
        piece = pieces.get()
        ended = not piece or isinstance(piece, Exception)
        if isinstance(piece, Exception):
            raise piece
        return piece

    threading.Thread(target=run, name="reading ahead", daemon=True).start()
    return next_piece
