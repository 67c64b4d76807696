"""Names of containers: which are allowed, and one for who gave none."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection

from engine.api.errors import InvalidArgument

ALLOWED = re.compile(r"/?[a-zA-Z0-9][a-zA-Z0-9_.-]+", re.ASCII)
LEFT = [
    "amber",
    "agile",
    "bold",
    "brave",
    "bright",
    "calm",
    "candid",
    "clear",
    "clever",
    "cosmic",
    "crisp",
    "eager",
    "easy",
    "fair",
    "fleet",
    "fond",
    "frosty",
    "gentle",
    "glad",
    "golden",
    "grand",
    "happy",
    "hardy",
    "honest",
    "keen",
    "kind",
    "lively",
    "loyal",
    "lucid",
    "lunar",
    "mellow",
    "merry",
    "mild",
    "misty",
    "neat",
    "nimble",
    "noble",
    "patient",
    "plucky",
    "polite",
    "proud",
    "quick",
    "quiet",
    "rapid",
    "ready",
    "sharp",
    "silent",
    "smooth",
    "snowy",
    "solar",
    "solid",
    "spry",
    "steady",
    "still",
    "sunny",
    "swift",
    "tidy",
    "tranquil",
    "true",
    "vivid",
    "warm",
    "wise",
    "witty",
    "young",
    "zesty",
]
RIGHT = [
    "albatross",
    "badger",
    "beaver",
    "bison",
    "condor",
    "crane",
    "curlew",
    "dolphin",
    "dunlin",
    "eider",
    "falcon",
    "finback",
    "fulmar",
    "gannet",
    "grebe",
    "grouse",
    "heron",
    "ibex",
    "jackdaw",
    "kestrel",
    "kite",
    "lapwing",
    "lynx",
    "marlin",
    "marten",
    "minke",
    "narwhal",
    "orca",
    "osprey",
    "otter",
    "petrel",
    "pilotwhale",
    "plover",
    "porpoise",
    "puffin",
    "raven",
    "rorqual",
    "salmon",
    "sandpiper",
    "seal",
    "sei",
    "shearwater",
    "shrike",
    "skua",
    "sparrow",
    "sperm",
    "starling",
    "stork",
    "swallow",
    "swan",
    "tern",
    "thrush",
    "trout",
    "vole",
    "walrus",
    "warbler",
    "wren",
]


def check_name(name: str) -> str:
    """The name without its slash. Raises InvalidArgument."""
    if not ALLOWED.fullmatch(name):
        raise InvalidArgument(f"Invalid container name ({name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed")
    return name.removeprefix("/")


def made_name(taken: Collection[str], number: Callable[[int], int]) -> str:
    """A free name of two words; `number(n)` is a random number below n."""
    for tries in range(1000):
        name = f"{LEFT[number(len(LEFT))]}_{RIGHT[number(len(RIGHT))]}"
        if tries > 5:
            name += str(number(10**6))
        if name not in taken:
            return name
    raise AssertionError("a million numbers are enough")
