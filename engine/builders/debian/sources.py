"""Where packages come from: the apt sources of this machine that serve the wanted suite.

Pure. A machine behind a mirror of its own builds from that mirror; where nothing here serves the suite, mmdebstrap's
own default is used.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

ONE_LINE = re.compile(r"deb\s+(?:\[(?P<options>[^\]]*)\]\s+)?(?P<uri>\S+)\s+(?P<suite>\S+)\s+(?P<components>.+)")
# The suites that make up one release, after its own name.
ENDINGS = ("", "-updates", "-security")


def lines_for(suite: str, one_line: Iterable[str], deb822: Iterable[str]) -> list[str]:
    """One-line entries (`deb [signed-by=…] URI SUITE COMPONENTS`) for `suite`, from files of both formats.

    Archives of third parties are left out: of a suite of this name they have no `main`.
    """
    entries = [*from_lines(one_line), *from_stanzas(deb822)]
    wanted = {f"{suite}{ending}" for ending in ENDINGS}
    found = [entry for entry in entries if entry[2] in wanted and "main" in entry[3].split()]
    if not any(entry[2] == suite for entry in found):
        return []
    return list(dict.fromkeys(f"deb {options}{uri} {name} {parts}" for options, uri, name, parts in found))


Source = tuple[str, str, str, str]


def from_lines(texts: Iterable[str]) -> Iterator[Source]:
    for text in texts:
        for line in text.splitlines():
            if found := ONE_LINE.fullmatch(line.partition("#")[0].strip()):
                options = f"[{found['options'].strip()}] " if found["options"] else ""
                yield options, found["uri"], found["suite"], " ".join(found["components"].split())


def from_stanzas(texts: Iterable[str]) -> Iterator[Source]:
    for text in texts:
        without_comments = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
        for stanza in re.split(r"\n\s*\n", without_comments):
            fields = {
                name.strip().lower(): " ".join(value.split())
                for name, value in re.findall(r"^([\w-]+):((?:.*)(?:\n[ \t].*)*)", stanza, re.MULTILINE)
            }
            if "deb" not in fields.get("types", "").split() or fields.get("enabled", "yes").lower() in {"no", "false"}:
                continue
            key = fields.get("signed-by", "")
            # an armoured key inside the file has no one-line form
            options = f"[signed-by={key}] " if key.startswith("/") else ""
            for uri in fields.get("uris", "").split():
                for suite in fields.get("suites", "").split():
                    yield options, uri, suite, fields.get("components", "")
