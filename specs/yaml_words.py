"""What libyaml says of broken text, in a user's words: the fault, what to do, and where what is broken began."""

from __future__ import annotations

from typing import Any, NamedTuple


class Words(NamedTuple):
    message: str
    hint: str | None = None
    began: str | None = None


COLUMN = "keys of one mapping start in one column; what belongs to a key stands further to the right"
SPACES = "indent with spaces, as the lines above do"
QUOTES = "put the whole text in quotes"
CLOSED = "a list in brackets is [a, b], a mapping in braces is {a: b}"

# libyaml's problem → ours
PROBLEMS: dict[str, Words] = {
    "did not find expected key": Words("this line does not fit into the mapping above it", COLUMN, "which starts here"),
    "did not find expected '-' indicator": Words(
        "this line does not fit into the list above it",
        'every item of a list starts with "- " in one column',
        "which starts here",
    ),
    "did not find expected ',' or ']'": Words(
        "the list in brackets goes on without a comma, or is not closed", CLOSED, "opened here"
    ),
    "did not find expected ',' or '}'": Words(
        "the mapping in braces goes on without a comma, or is not closed", CLOSED, "opened here"
    ),
    "found unexpected end of stream": Words("a quote is never closed", "close it where the text ends", "opened here"),
    "mapping values are not allowed in this context": Words(
        'there is a second ": " in one value', f"{QUOTES}, or start a line of its own for the key"
    ),
    "could not find expected ':'": Words("this is no NAME: VALUE", "a key needs a colon and a space after it"),
    "block sequence entries are not allowed in this context": Words(
        "a list can't start here", "start it on a line of its own, below its key"
    ),
    "found a tab character that violates indentation": Words("a tab can't indent", SPACES),
    "found a tab character where an indentation space is expected": Words("a tab can't indent", SPACES),
    "did not find expected node content": Words("a value is missing here", f"is there a comma too many? {CLOSED}"),
    "found unknown escape character": Words(
        "this is no escape of text in double quotes", "use single quotes, or write \\\\ for a backslash"
    ),
}


# What libyaml says of a mark within a line, where PROBLEMS speaks of whole lines.
WITHIN: dict[str, Words] = {
    "did not find expected key": Words(
        "something stands after the end of the value", "is a quote above it never closed, or a quote within a text?"
    ),
    "mapping values are not allowed in this context": PROBLEMS["mapping values are not allowed in this context"],
}
FIRST_COLON = Words("this key can't follow the line above it", "does that line lack its colon (NAME: VALUE)?")


def words_of(error: Any, before: str, character: str) -> Words:
    """`character` is the one that libyaml stopped at, `before` what stands before it on its line."""
    problem = str(error.problem or "this is no YAML")
    if problem == "mapping values are not allowed in this context" and ": " not in before:
        return FIRST_COLON
    if before.strip() and problem in WITHIN:
        return WITHIN[problem]
    if "cannot start any token" in problem:
        if character == "\t":
            return Words("a tab can't indent", SPACES)
        return Words(f"text can't start with {character or 'this'}", QUOTES)
    if problem == "found unexpected end of stream" and "quoted scalar" not in str(error.context):
        return Words("the text ends in the middle of something", None, "which starts here")
    if (known := PROBLEMS.get(problem)) is not None:
        return known
    return Words(f"{error.context}: {problem}" if error.context else problem)
