"""A Dockerfile that takes images by other names: for builders that know no named contexts. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from engine.dockerfile.faults import DockerfileError, Place
from engine.dockerfile.lex import BLANKS, Line, placed_words
from engine.dockerfile.parse import parse
from engine.dockerfile.stages import base_of, earlier, global_values


def with_images_renamed(text: str, names: Mapping[str, str], args: Mapping[str, str]) -> str:
    """Every FROM and literal --from that means one of `names` (and no stage) takes the image that stands for it.

    A text that can't be read comes back as it is: the builder tells its faults.
    """
    found = parse(text)
    if not names or not found.stages:
        return text
    try:
        values = global_values(found, args, {})
    except DockerfileError:
        return text
    lines = text.split("\n")
    changes: list[tuple[Place, str, str]] = []
    stage = None
    for line in found.lexed.lines:
        word = line.text.split(None, 1)[0].upper()
        if word == "FROM":
            stage = found.stages[0 if stage is None else stage.number + 1]
            try:
                base = base_of(found, stage, values)
            except DockerfileError:
                continue
            if base.stage is None and base.image in names:
                changes.append((place_of(line, stage.head.base, found.escape), stage.head.base, names[base.image]))
        elif stage is not None:
            for place, name in origins_in(line, word):
                if name in names and earlier(found, stage, name) is None:
                    changes.append((place, name, names[name]))
    for place, before, after in reversed(changes):
        whole, at = lines[place.line - 1], place.column - 1
        if whole.startswith(before, at):
            lines[place.line - 1] = whole[:at] + after + whole[at + len(before) :]
    return "\n".join(lines)


def place_of(line: Line, word: str, escape: str) -> Place:
    offsets = [offset for offset, found in placed_words(line.text, escape) if found == word]
    return line.place(offsets[0])


def origins_in(line: Line, keyword: str) -> Iterator[tuple[Place, str]]:
    """The names after `--from=` and within mounts' `from=`, with their places."""
    if keyword not in ("COPY", "RUN"):
        return
    for offset, word in placed_words(line.text, "\\")[1:]:
        if not word.startswith("--"):
            break
        marks = ["--from="] if keyword == "COPY" else [",from=", "=from="] if word.startswith("--mount=") else []
        for mark in marks:
            at = word.find(mark)
            if at >= 0:
                begin = at + len(mark)
                name = word[begin:].split(",")[0].strip(BLANKS)
                yield line.place(offset + begin), name
