"""Libnftables by ctypes: a text of nft commands is one transaction, whole or not at all. Debian: libnftables1.

The library keeps tables of its own in static memory: one caller at a time. A context belongs to the network
namespace of the thread that made it, and making one costs 0.05 ms: each call has its own.
"""

from __future__ import annotations

import ctypes
import json
import threading
from functools import cache
from typing import Any

from engine.api.errors import SystemFailure, Unavailable

JSON_OUTPUT = 1 << 4
_lock = threading.Lock()


class NftError(SystemFailure):
    """The kernel or the library refused a transaction; nothing of it is in force."""


@cache
def library() -> ctypes.CDLL:
    try:
        found = ctypes.CDLL("libnftables.so.1")
    except OSError as error:
        raise Unavailable("bridge networks need libnftables: apt-get install libnftables1") from error
    found.nft_ctx_new.restype = ctypes.c_void_p
    found.nft_ctx_new.argtypes = [ctypes.c_uint32]
    found.nft_run_cmd_from_buffer.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
    for name in ("nft_ctx_get_error_buffer", "nft_ctx_get_output_buffer"):
        getattr(found, name).restype = ctypes.c_char_p
        getattr(found, name).argtypes = [ctypes.c_void_p]
    for name in ("nft_ctx_buffer_error", "nft_ctx_buffer_output", "nft_ctx_free"):
        getattr(found, name).argtypes = [ctypes.c_void_p]
    found.nft_ctx_output_set_flags.argtypes = [ctypes.c_void_p, ctypes.c_uint]
    return found


def run(commands: str) -> None:
    """Carry out the commands in the namespace of the calling thread. Raises NftError."""
    _run(commands, 0)


def query(command: str) -> list[dict[str, Any]]:
    """What `nft -j` answers: the objects. Raises NftError."""
    answer = _run(command, JSON_OUTPUT)
    return list(json.loads(answer)["nftables"]) if answer else []


def _run(commands: str, flags: int) -> bytes:
    nft = library()
    with _lock:
        context = nft.nft_ctx_new(0)
        if not context:
            raise NftError("can't reach nftables: no memory, or no permission")
        try:
            nft.nft_ctx_buffer_error(context)
            nft.nft_ctx_buffer_output(context)
            nft.nft_ctx_output_set_flags(context, flags)
            code = nft.nft_run_cmd_from_buffer(context, commands.encode())
            if code != 0:
                words = (nft.nft_ctx_get_error_buffer(context) or b"").decode(errors="replace").strip()
                raise NftError(f"the firewall refused a change: {words[:2000]}")
            return nft.nft_ctx_get_output_buffer(context) or b""
        finally:
            nft.nft_ctx_free(context)
