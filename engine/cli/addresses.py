"""Addresses to listen on, as flags name them."""

from __future__ import annotations

from engine.api.errors import InvalidArgument


def address_of(flag: str, text: str) -> tuple[str, int]:
    """`127.0.0.1:5000`, `[::1]:5000`, `:5000` (every address). Raises InvalidArgument."""
    host, colon, port = text.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise InvalidArgument(f'{flag} is "{text}": want ADDR:PORT, as 127.0.0.1:5000')
    return host.strip("[]"), int(port)
