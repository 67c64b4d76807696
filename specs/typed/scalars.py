"""One value of a node, as the Go type of its field takes it: text, flags, numbers, sizes, durations, modes."""

from __future__ import annotations

import struct
from collections.abc import Callable

from specs.node import Node
from specs.resolve.casts import Uncastable, to_flag, to_real, to_whole
from specs.resolve.refusal import Refusal, refusal
from specs.scalars import printed
from specs.units import Malformed, format_duration, nanoseconds, size_in_bytes

# From here on Go's float32 is infinite.
TOO_LARGE = float.fromhex("0x1.ffffffp127")


def wrong(node: Node, what: str) -> Refusal:
    return refusal(node, "wrong-type", f"{named(node)} must be {what}")


def named(node: Node) -> str:
    """What a message calls a value: by its key, where it has one."""
    return "this" if node.key is None else str(node.key.value)


def text(node: Node) -> str:
    value = node.value
    if type(value) is str:
        return value
    if type(value) is int and value < 1 << 63:
        return str(value)
    if value is None:
        return ""
    raise wrong(node, "text; put it in quotes")


def flag(node: Node) -> bool:
    value = node.value
    if type(value) is bool:
        return value
    if type(value) is str:
        try:
            return to_flag(value)
        except Uncastable as error:
            raise refusal(node, "wrong-type", str(error), "write true or false") from None
    raise wrong(node, "true or false")


def whole(node: Node) -> int:
    value = node.value
    if type(value) is int:
        # above, it is a uint64 to Compose, whose bits it takes as they are
        return value - (1 << 64) if value >= 1 << 63 else value
    if type(value) is float:
        return int(value) if abs(value) < 1 << 63 else -(1 << 63)
    if type(value) is str:
        try:
            return to_whole(value)
        except Uncastable as error:
            raise refusal(node, "wrong-type", str(error)) from None
    raise wrong(node, "a whole number")


def natural(node: Node) -> int:
    if type(node.value) is float and not node.value < 1 << 63:
        return 1 << 63
    value = node.value if type(node.value) is int else whole(node)
    if value < 0:
        raise refusal(node, "out-of-range", f"{named(node)} can't be negative")
    return value


def narrow(bits: int) -> Callable[[Node], int]:
    """An unsigned number of few bits: Go casts no text to it, and drops the bits above."""

    def decode(node: Node) -> int:
        if type(node.value) not in (int, float):
            raise wrong(node, "a number, not text")
        return natural(node) & ((1 << bits) - 1)

    return decode


def truth_or_text(node: Node) -> str:
    return printed(node.value) if type(node.value) is bool else text(node)


def real(node: Node) -> float:
    """Go's float32, as the shortest decimal that gives it back."""
    value = node.value
    if type(value) is str:
        try:
            value = to_real(value)
        except Uncastable as error:
            raise refusal(node, "wrong-type", str(error)) from None
    if type(value) not in (int, float):
        raise wrong(node, "a number")
    if not abs(value) < TOO_LARGE:
        raise refusal(node, "wrong-type", f"{printed(float(value))} is not a number that can be used")
    return single(float(value))


def single(value: float) -> float:
    if value == int(value) and abs(value) < 1 << 24:
        return int(value)
    packed = struct.pack("f", value)
    # the nearest decimal to what the bits say, not to what was written
    (stored,) = struct.unpack("f", packed)
    for precision in range(1, 10):
        shorter = float(f"{stored:.{precision}g}")
        if struct.pack("f", shorter) == packed:
            return shorter
    return value


def size(node: Node) -> int:
    value = node.value
    if type(value) is int:
        # Compose reads a number that is too large for a signed one as no size at all
        return value if value < 1 << 63 else 0
    if type(value) is str:
        try:
            return size_in_bytes(value)
        except Malformed as error:
            raise refusal(node, "bad-size", str(error), "write a number with a unit: 512m, 1.5g") from None
    if type(value) is float:
        return 0
    raise wrong(node, "a size, such as 512m")


def duration(node: Node) -> str:
    if type(node.value) is not str:
        raise wrong(node, "a duration, such as 1m30s")
    try:
        return format_duration(nanoseconds(node.value))
    except Malformed as error:
        raise refusal(node, "bad-duration", str(error), "write numbers with units: 1m30s, 500ms") from None


def file_mode(node: Node) -> int:
    value = node.value
    if type(value) is int:
        return value
    if type(value) is str:
        try:
            return int(value, 8) if value.lstrip("+-").isdigit() else int("x")
        except ValueError:
            raise refusal(node, "bad-mode", f"{value!r} is no octal mode, such as 0440") from None
    raise wrong(node, "an octal mode, such as 0440")


def device_count(node: Node) -> int:
    value = node.value
    if type(value) is int:
        return value
    if type(value) is str:
        if value.lower() == "all":
            return -1
        try:
            return to_whole(value)
        except Uncastable:
            raise refusal(node, "wrong-type", f"{value!r} is neither all nor a number") from None
    raise wrong(node, "all or a number")


def external(node: Node) -> bool:
    return True if type(node.value) is dict else flag(node)
