"""The flags before a command's word, as our own command line and Docker's have them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def leading(arguments: Sequence[str], flags: Mapping[str, tuple[str, bool]]) -> tuple[list[str], list[str]]:
    """Those of `flags` (spelling → long form, and whether it takes a value) that come first, in their long form, and
    the rest. Where the rest begins with another flag, that is none of them.

    `-fa.yaml --project-name=shop up -d` → (["--file", "a.yaml", "--project-name", "shop"], ["up", "-d"]).
    """
    found: list[str] = []
    rest = list(arguments)
    while rest and rest[0].startswith("-"):
        word = rest[0]
        head, equals, value = word.partition("=")
        if head in flags:
            long, takes_value = flags[head]
        elif word[:2] in flags and not word.startswith("--") and flags[word[:2]][1]:
            (long, takes_value), equals, value = flags[word[:2]], "=", word[2:]
        else:
            break
        del rest[0]
        found.append(long)
        if takes_value and equals:
            found.append(value)
        elif takes_value and rest:
            found.append(rest.pop(0))
        elif equals:
            found[-1] = f"{long}={value}"
    return found, rest
