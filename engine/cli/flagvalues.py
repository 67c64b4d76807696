"""`--flag=true` and `--flag=false`, as Compose's flags take them, and click's do not."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

SAID = re.compile(r"(--[a-z][\w-]*)=(1|t|true|0|f|false)", re.IGNORECASE)
YES = frozenset({"1", "t", "true"})


def spelled_out(command: Any, words: Sequence[str]) -> list[str]:
    """The words of a command line with each such flag as click has it: `--flag`, its opposite, or nothing.

    What comes after `--`, or after a service whose own command follows (`run`, `exec`), is left as it is.
    """
    if not any(SAID.fullmatch(word) for word in words):
        return list(words)
    found: list[str] = []
    rest = list(words)
    while rest:
        word = rest.pop(0)
        inner = getattr(command, "commands", {}).get(word)
        if inner is not None:
            command = inner
        elif word == "--" or (not word.startswith("-") and not is_interspersed(command)):
            return [*found, word, *rest]
        elif (said := SAID.fullmatch(word)) and (flag := flag_named(command, said[1])) is not None:
            # turned off by its other spelling, or by silence
            found += [said[1]] if said[2].lower() in YES else flag.secondary_opts[-1:]
            continue
        elif rest and takes_value(command, word):
            found.append(word)
            word = rest.pop(0)
        found.append(word)
    return found


def is_interspersed(command: Any) -> bool:
    return bool((command.context_settings or {}).get("allow_interspersed_args", True))


def flag_named(command: Any, spelling: str) -> Any:
    """The option that is a flag and is called so; None where there is none."""
    return next((p for p in command.params if getattr(p, "is_flag", False) and spelling in p.opts), None)


def takes_value(command: Any, word: str) -> bool:
    return any(
        word in p.opts and not getattr(p, "is_flag", False) and not getattr(p, "count", False)
        for p in command.params
        if p.param_type_name == "option"
    )
