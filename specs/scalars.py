"""Plain YAML scalars as Go's yaml.v3 reads them, and values as Go prints them. The oracle's reading, not YAML 1.2's."""

from __future__ import annotations

import math
import re
from datetime import date
from typing import Any

from specs.node import Timestamp

WORDS: dict[str, Any] = {
    "": None,
    "~": None,
    "null": None,
    "Null": None,
    "NULL": None,
    "true": True,
    "True": True,
    "TRUE": True,
    "false": False,
    "False": False,
    "FALSE": False,
    ".nan": math.nan,
    ".NaN": math.nan,
    ".NAN": math.nan,
}
WORDS |= {sign + word: math.inf for sign in ("", "+") for word in (".inf", ".Inf", ".INF")}
WORDS |= {"-" + word: -math.inf for word in (".inf", ".Inf", ".INF")}

FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
INTEGER = re.compile(r"([-+]?)(0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO]?[0-7]+|0|[1-9][0-9]*)")
TIMESTAMP = re.compile(
    r"(\d{4})-(\d{1,2})-(\d{1,2})"
    r"(?:(?:[Tt](\d{1,2}):(\d{1,2}):(\d{1,2})(\.\d+)?(Z|[+-]\d\d:\d\d))|(?: (\d{1,2}):(\d{1,2}):(\d{1,2})(\.\d+)?))?"
)
NUMBER_STARTS = frozenset("0123456789+-.")


def resolve(text: str) -> Any:
    """The value of a plain scalar: None, bool, int, float, Timestamp or str."""
    if not text or text[0] not in NUMBER_STARTS:
        return WORDS.get(text, text)
    if text in WORDS:
        return WORDS[text]
    if text[0] == ".":
        return float(text) if FLOAT.fullmatch(text) else text
    if len(text) >= 8 and text[4] == "-" and is_timestamp(text):
        return Timestamp(text)
    number = parse_integer(digits := text.replace("_", ""))
    if number is not None:
        return number
    if FLOAT.fullmatch(digits) and not math.isinf(value := float(digits)):
        return value
    return text


def is_timestamp(text: str) -> bool:
    found = TIMESTAMP.fullmatch(text)
    if found is None:
        return False
    try:
        date(int(found[1]), int(found[2]), int(found[3]))
    except ValueError:
        return False
    return True


def parse_integer(text: str) -> int | None:
    """As strconv.ParseInt does in base 0: 0x, 0b, 0o and a leading 0 for octal. None where it fits no 64 bits."""
    found = INTEGER.fullmatch(text)
    if found is None:
        return None
    digits = found[2]
    if len(digits) > 1 and digits[0] == "0" and digits[1].isdigit():
        digits = "0o" + digits
    value = int(digits, 0)
    if found[1] == "-":
        return -value if value <= 1 << 63 else None
    return value if value < 1 << 64 else None


def rfc3339(text: str) -> str:
    """A YAML timestamp as Go's JSON has it: 2024-1-1 → 2024-01-01T00:00:00Z."""
    found = TIMESTAMP.fullmatch(text)
    assert found is not None
    year, month, day, *rest = found.groups()
    hour, minute, second, fraction, zone = rest[:5] if rest[0] else (*rest[5:9], "Z")
    fraction = (fraction or "").rstrip("0").rstrip(".")
    clock = f"{int(hour or 0):02d}:{int(minute or 0):02d}:{int(second or 0):02d}{fraction}"
    return f"{year}-{int(month):02d}-{int(day):02d}T{clock}{zone or 'Z'}"


def printed(value: Any) -> str:
    """A scalar as Go's fmt.Sprint prints it: 1.50 → 1.5, 1e6 → 1e+06, true → true, null → <nil>."""
    if isinstance(value, str):
        return value
    if value is None:
        return "<nil>"
    if value is True:
        return "true"
    if value is False:
        return "false"
    return printed_float(value) if isinstance(value, float) else str(value)


def printed_float(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    if value == 0:
        return "-0" if math.copysign(1, value) < 0 else "0"
    mantissa, exponent = shortest(value)
    return plain_decimal(mantissa, exponent) if -4 <= exponent < 6 else scientific(mantissa, exponent)


def shortest(value: float) -> tuple[str, int]:
    """The shortest digits that read back as `value`, sign first, and the power of ten of the first digit."""
    # Python's repr is the shortest text too; the exponent is found by writing it with exactly that many digits
    written = repr(value).partition("e")[0].replace(".", "").lstrip("-0").rstrip("0") or "0"
    digits, _, exponent = f"{value:.{len(written) - 1}e}".partition("e")
    return digits.replace(".", ""), int(exponent)


def json_number(value: float) -> str:
    """A float as Go's encoding/json writes it: 1e21 → 1e+21, 1e20 → 100000000000000000000, 1e-7 → 1e-7."""
    if value == 0:
        return "-0" if math.copysign(1, value) < 0 else "0"
    digits, exponent = shortest(value)
    if -7 < exponent < 21:
        return plain_decimal(digits, exponent)
    text = scientific(digits, exponent)
    return text[:-2] + text[-1] if text[-3:-1] == "-0" else text


def scientific(digits: str, exponent: int) -> str:
    sign, digits = ("-", digits[1:]) if digits.startswith("-") else ("", digits)
    mantissa = digits[0] + ("." + digits[1:] if len(digits) > 1 else "")
    return f"{sign}{mantissa}e{'-' if exponent < 0 else '+'}{abs(exponent):02d}"


def plain_decimal(digits: str, exponent: int) -> str:
    sign, digits = ("-", digits[1:]) if digits.startswith("-") else ("", digits)
    if exponent < 0:
        return f"{sign}0.{'0' * (-exponent - 1)}{digits}"
    if len(digits) <= exponent + 1:
        return sign + digits + "0" * (exponent + 1 - len(digits))
    return f"{sign}{digits[: exponent + 1]}.{digits[exponent + 1 :]}"
