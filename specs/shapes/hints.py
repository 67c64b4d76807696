"""What to do about a value of the wrong type, where the types say what was probably meant."""

from __future__ import annotations

import re
from collections.abc import Collection

from specs.node import Node, Timestamp
from specs.scalars import printed

DURATIONS = frozenset(
    {"stop_grace_period", "interval", "timeout", "start_period", "start_interval", "delay", "monitor", "window"}
)
MOST_SHOWN = 40
COLONLESS = re.compile(r"([a-z_]+)(?::| +)([^\s:][^\n]{0,40})")


def hint_for(node: Node, wanted: Collection[type]) -> str | None:
    value = node.value
    key = None if node.key is None else node.key.value
    if value is None and dict in wanted:
        return "what belongs to it stands below it, further to the right" if node.key is not None else None
    if type(value) is str and dict in wanted and "=" in value:
        return f"write a list, `- {value.split()[0]}`, or a mapping, `{value.split()[0].replace('=', ': ', 1)}`"
    if type(value) is str and dict in wanted and list not in wanted and (found := COLONLESS.fullmatch(value)):
        return f'between a key and its value stand a colon and a space: "{found[1]}: {found[2]}"'
    if type(value) in (str, int, float) and list in wanted:
        return f"write it as a list: [{in_list(value)}]" if len(printed(value)) <= MOST_SHOWN else "write it as a list"
    if type(value) is list and dict in wanted and list not in wanted:
        return 'leave out the "- ", and end each name with a colon'
    if type(value) is Timestamp and str in wanted:
        return f'put it in quotes: "{value}"'
    if type(value) in (int, float) and str in wanted:
        if key == "memory":
            return f"write it with its unit: {printed(value)}m"
        if key in DURATIONS:
            return f"write it with its unit: {printed(value)}s"
        return "remove it: Compose looks at it no more" if key == "version" else f'put it in quotes: "{printed(value)}"'
    if type(value) is bool and str in wanted:
        return f'put it in quotes: "{printed(value)}"'
    if type(value) is dict and dict not in wanted and str in wanted and node.key is None:
        return (
            'an item of this list is text: put it in quotes if it has a ": " in it; for a mapping, leave out the "- "'
        )
    if type(value) is dict and list in wanted:
        return 'write each as an item of a list, with "- " before it'
    return None


def in_list(value: object) -> str:
    text = printed(value)
    return f'"{text}"' if ":" in text or "," in text else text
