"""YAML → a tree of Nodes with their places. libyaml tokenises (through PyYAML's C extension); the meaning of
scalars, merge keys and tags is Go's yaml.v3, because that is what Compose reads with. One fault, one Diagnostic.
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import Any, NamedTuple

from yaml._yaml import CParser  # type: ignore[import-untyped]
from yaml.error import MarkedYAMLError  # type: ignore[import-untyped]
from yaml.events import (  # type: ignore[import-untyped]
    AliasEvent,
    DocumentEndEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)
from yaml.reader import ReaderError  # type: ignore[import-untyped]

from specs.node import Node
from specs.scalars import printed, resolve
from specs.source import Diagnostic, Related, Severity, Span
from specs.yaml_tags import cast, custom_tag
from specs.yaml_words import words_of

MAX_BYTES = 32 << 20
MAX_ALIASED = 500_000  # nodes, once aliases are unfolded: more than any file needs, less than a second's work
MAX_DEPTH = 1000
TOO_DEEP = "the file is nested too deeply"
MAX_COLONS = 50
PLAIN = frozenset({None, ""})
BAD_ESCAPE = re.compile(r"(?<!\\)(?:\\\\)*\\/")
COLON = "\ue03a"  # a private character that stands for a colon while libyaml reads
CLOSERS = frozenset({",", "]", "}"})
STANDARD = "tag:yaml.org,2002:"


class Unreadable(Exception):
    """The text is no YAML that Compose would take; `diagnostic` says why and where."""

    def __init__(
        self, code: str, message: str, span: Span | None, hint: str | None = None, related: tuple[Related, ...] = ()
    ) -> None:
        self.diagnostic = Diagnostic(Severity.ERROR, code, message, span, hint, related)
        super().__init__(str(self.diagnostic))


class Reading(NamedTuple):
    """The documents of a file, and the faults that do not end the reading. Where there are such, the nodes with the
    ids in `faulty` stand for what could not be read, and those in `incomplete` lack some of their entries.
    """

    documents: list[Node]
    diagnostics: list[Diagnostic]
    faulty: set[int]
    incomplete: set[int]


class Stream:
    """Bytes for libyaml, under the name that marks will carry."""

    __slots__ = ("name", "position", "text")

    def __init__(self, text: bytes, name: str) -> None:
        self.text = text
        self.position = 0
        self.name = name

    def read(self, size: int) -> bytes:
        piece = self.text[self.position : self.position + size]
        self.position += size
        return piece


def read(text: bytes, name: str) -> Reading:
    """The documents of a file that is called `name` in diagnostics; empty documents are left out. Raises Unreadable
    for what leaves no documents at all.
    """
    start = Span(name, 1, 1, 1, 1)
    if len(text) > MAX_BYTES:
        raise Unreadable("file-too-large", f"the file is larger than {MAX_BYTES >> 20} MiB", start)
    check_encoding(text, name)
    try:
        return build(text, name)
    except ReaderError as error:
        raise Unreadable("yaml-encoding", f"the file is no readable text: {error.reason}", start) from None
    except MarkedYAMLError as error:
        raise not_yaml(error, text, name) from None
    except RecursionError:
        raise Unreadable("yaml-depth", TOO_DEEP, start) from None


def build(text: bytes, name: str) -> Reading:
    """`[a:, b]` is `["a:", "b"]` to Compose and an error to libyaml: there, such a colon is read as COLON."""
    for _ in range(MAX_COLONS):
        try:
            return Builder(text, name).read()
        except MarkedYAMLError as error:
            changed = without_colon(text, error)
            if changed is None:
                raise
            text = changed
    return Builder(text, name).read()


def without_colon(text: bytes, error: MarkedYAMLError) -> bytes | None:
    """The text with COLON for the colon that the error is about; None where it is about something else."""
    if error.problem != "found unexpected ':'" or text.startswith((b"\xff\xfe", b"\xfe\xff")):
        return None
    lines = text.decode("utf-8").split("\n")
    line, column = error.problem_mark.line, error.problem_mark.column
    if (
        line >= len(lines)
        or lines[line][column : column + 1] != ":"
        or lines[line][column + 1 : column + 2] not in CLOSERS
    ):
        return None
    lines[line] = lines[line][:column] + COLON + lines[line][column + 1 :]
    return "\n".join(lines).encode()


def check_encoding(text: bytes, name: str) -> None:
    if text.startswith((b"\xff\xfe", b"\xfe\xff")):
        return
    try:
        text.decode("utf-8")
    except UnicodeDecodeError as error:
        before = text[: error.start].decode("utf-8")
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        place = Span(name, line, column, line, column + 1)
        raise Unreadable("yaml-encoding", "the file is not UTF-8 text", place) from None


def not_yaml(error: MarkedYAMLError, text: bytes, name: str) -> Unreadable:
    mark = error.problem_mark
    if error.problem == "exceeded maximum nesting depth":
        # libyaml has a bound of its own since 0.2.6, which it may meet before ours
        return Unreadable("yaml-depth", TOO_DEEP, mark_span(name, mark))
    lines = text.decode("utf-8", "replace").split("\n")
    line = lines[mark.line] if mark is not None and mark.line < len(lines) else ""
    column = 0 if mark is None else mark.column
    words = words_of(error, line[:column], line[column : column + 1])
    if error.problem == "could not find expected ':'" and error.context_mark is not None:
        # libyaml stops at the end of what it took for a key
        mark = error.context_mark
    began = error.context_mark if words.began else None
    related = (Related(str(words.began), mark_span(name, began)),) if began is not None else ()
    return Unreadable("yaml-syntax", words.message, mark_span(name, mark), words.hint, related)


def mark_span(name: str, mark: Any) -> Span:
    if mark is None:
        return Span(name, 1, 1, 1, 1)
    return Span(name, mark.line + 1, mark.column + 1, mark.line + 1, mark.column + 2)


class Builder:
    """Events in, Nodes out. One per file."""

    def __init__(self, text: bytes, name: str) -> None:
        self.name = name
        self.next = CParser(Stream(text, name)).get_event
        self.anchors: dict[str, Node] = {}
        self.open: set[int] = set()
        self.depth = 0
        self.flow = 0
        self.aliased = False
        self.diagnostics: list[Diagnostic] = []
        self.faulty: set[int] = set()
        self.kept: list[Node] = []  # so that no other node gets the id of a faulty one
        self.incomplete: set[int] = set()
        # only where there is a \/ anywhere is it worth a look
        self.slashes = text.decode("utf-8", "replace").split("\n") if b"\\/" in text else []

    def read(self) -> Reading:
        return Reading(self.documents(), self.diagnostics, self.faulty, self.incomplete)

    def fault(self, code: str, message: str, span: Span | None, node: Node | None = None, **more: Any) -> None:
        """A complaint that reading survives; `node` stands for what was not to be understood."""
        self.diagnostics.append(Unreadable(code, message, span, **more).diagnostic)
        if node is not None:
            self.faulty.add(id(node))
            self.kept.append(node)

    def documents(self) -> list[Node]:
        found: list[Node] = []
        while True:
            event = self.next()
            kind = type(event)
            if event is None or kind is StreamEndEvent:
                return found
            if kind is DocumentStartEvent:
                if event.version not in (None, (1, 1)):
                    place = mark_span(self.name, event.start_mark)
                    raise Unreadable("yaml-version", "Compose reads YAML 1.1 only", place)
                found.append(self.node(self.next()))
                if self.aliased and weight(found[-1].value, {}) > MAX_ALIASED:
                    message = "the aliases of this file make it too large to unfold"
                    raise Unreadable("alias-bomb", message, mark_span(self.name, event.start_mark))
                while type(self.next()) is not DocumentEndEvent:
                    pass

    def node(self, event: Any) -> Node:
        kind = type(event)
        if kind is ScalarEvent:
            node = self.scalar(event)
            if event.anchor:
                self.anchors[event.anchor] = node
            return node
        if kind is AliasEvent:
            return self.alias(event)
        self.depth += 1
        self.flow += event.flow_style is True
        if self.depth > MAX_DEPTH:
            raise Unreadable("yaml-depth", TOO_DEEP, mark_span(self.name, event.start_mark))
        node = Node(None, event.start_mark)
        if event.anchor:
            self.anchors[event.anchor] = node
        self.open.add(id(node))
        node.tag = custom_tag(event.tag)
        if kind is MappingStartEvent:
            self.mapping(node)
        elif kind is SequenceStartEvent:
            self.sequence(node)
        self.open.discard(id(node))
        self.depth -= 1
        self.flow -= event.flow_style is True
        return node

    def alias(self, event: Any) -> Node:
        target = self.anchors.get(event.anchor)
        place = Span(
            self.name,
            event.start_mark.line + 1,
            event.start_mark.column + 1,
            event.end_mark.line + 1,
            event.end_mark.column + 1,
        )
        if target is None:
            node = Node(None, event.start_mark, event.end_mark)
            close = get_close_matches(event.anchor, self.anchors, 1)
            hint = f"did you mean *{close[0]}?" if close else "an anchor (&NAME) must stand above its use"
            self.fault("unknown-anchor", f"there is no anchor named {event.anchor!r}", place, node, hint=hint)
            return node
        if id(target) in self.open:
            raise Unreadable("anchor-cycle", f"anchor {event.anchor!r} contains itself", place)
        self.aliased = True
        return target

    def scalar(self, event: Any) -> Node:
        value: Any = event.value
        tag = event.tag
        node = Node(None, event.start_mark, event.end_mark)
        if COLON in value and event.style in PLAIN:
            value = value.replace(COLON, ":")
        if self.flow and event.style in PLAIN and "?" in value[1:]:
            self.fault("yaml-syntax", "text with a ? in brackets or braces needs quotes", node.span, node)
        if event.style == '"' and self.slashes and self.has_bad_slash(event):
            place = mark_span(self.name, event.start_mark)
            self.fault("yaml-syntax", "\\/ is no escape; write / as it is", place, node)
        if tag is None or str(tag) == "!":
            node.value = resolve(value) if event.style in PLAIN else value
        else:
            node.tag = custom_tag(tag)
            node.value = self.tagged(str(tag), value, event, node)
        return node

    def has_bad_slash(self, event: Any) -> bool:
        """`"\\/"` is an escape to libyaml, and none to Compose."""
        start, end = event.start_mark, event.end_mark
        lines = self.slashes[start.line : end.line + 1]
        lines[-1] = lines[-1][: end.column]
        lines[0] = lines[0][start.column :]
        return BAD_ESCAPE.search("\n".join(lines)) is not None

    def tagged(self, tag: str, text: str, event: Any, node: Node) -> Any:
        if not tag.startswith(STANDARD):
            # yaml.v3 takes what is tagged for text; what !reset stands before goes anyway
            return resolve(text) if event.style in PLAIN and node.tag == "!reset" else text
        word = tag[len(STANDARD) :]
        value = cast(word, text)
        if value is not Ellipsis:
            return value
        found = printed(resolve(text))
        self.fault("yaml-tag", f"cannot read {found!r} as !!{word}", node.span, node)
        return None

    def sequence(self, node: Node) -> None:
        items: list[Node] = []
        while True:
            event = self.next()
            if type(event) is SequenceEndEvent:
                node.value, node.end = items, event.end_mark
                return
            items.append(self.node(event))

    def mapping(self, node: Node) -> None:
        items: dict[str, Node] = {}
        merges: Node | None = None
        merge_key = node
        seen: dict[str, Node] = {}
        while True:
            event = self.next()
            if type(event) is MappingEndEvent:
                break
            plain_merge = type(event) is ScalarEvent and event.value == "<<" and event.implicit[0]
            key = self.node(event)
            value = self.node(self.next())
            name = self.key_name(key, event, value)
            if name in seen:
                self.duplicate(name, key, seen[name], value, items.get(name))
                continue
            seen[name] = key
            if plain_merge:
                merges, merge_key = value, key
                continue
            items[name] = keyed(value, key)
            if id(value) in self.faulty:
                self.fault_again(items[name])
        node.value, node.end = items, event.end_mark
        if merges is not None:
            self.merge(node, items, merges, merge_key)

    def fault_again(self, node: Node) -> None:
        """A faulty value that got a node of its own for its key."""
        self.faulty.add(id(node))
        self.kept.append(node)

    def key_name(self, key: Node, event: Any, value: Node) -> str:
        if type(key.value) is str:
            return key.value
        shown = str(event.value) if type(event) is ScalarEvent else "a mapping or list"
        hint = "put it in quotes"
        if type(value.value) in (str, int):
            hint += f'; or, if this is text with a colon in it, write "{shown}:{value.value}", with no space'
        self.fault("key-not-string", f"the key {shown} is not text", key.span, hint=hint)
        return shown

    def duplicate(self, name: str, key: Node, first: Node, again: Node, value: Node | None) -> None:
        """The first one counts; of two mappings, what only the second one holds is looked at too."""
        related = (Related("first written here", first.span),) if first.span else ()
        both = value is not None and type(value.value) in (dict, list)
        hint = "keep one of them, with the content of both" if both else "remove one of them"
        self.fault(
            "duplicate-key", f"the key {name!r} stands twice in one mapping", key.span, hint=hint, related=related
        )
        if value is not None and type(value.value) is dict and type(again.value) is dict:
            value.value = {**again.value, **value.value}
        elif value is not None:
            self.incomplete.add(id(value))

    def merge(self, node: Node, items: dict[str, Node], source: Node, key: Node) -> None:
        """`<<`: keys of the mapping itself win, then those of earlier sources. What can't be merged is told once."""
        sources = source.value if type(source.value) is list else [source]
        told = False
        for each in sources:
            if type(each.value) is not dict:
                if id(each) not in self.faulty and not told:
                    told = True
                    known = type(each.value) is str and each.value in self.anchors
                    hint = f"write <<: *{each.value}" if known else None
                    self.fault("merge-key", "<< takes a mapping or a list of mappings", place_of(each, key), hint=hint)
                self.incomplete.add(id(node))
                continue
            for name, value in each.value.items():
                if name not in items:
                    items[name] = value


def place_of(value: Node, key: Node) -> Span | None:
    """Where the value stands, or its key where it is an anchor's, which stands above."""
    if value.span is None or key.span is None:
        return key.span
    written_here = (value.span.line, value.span.column) > (key.span.line, key.span.column)
    return value.span if written_here else key.span


def weight(value: Any, known: dict[int, int]) -> int:
    """How many nodes a value becomes when every alias in it is unfolded; each shared part is looked at once."""
    if type(value) is not dict and type(value) is not list:
        return 1
    total = known.get(id(value))
    if total is None:
        children = value.values() if type(value) is dict else value
        total = known[id(value)] = 1 + sum(weight(child.value, known) for child in children)
    return total


def keyed(value: Node, key: Node) -> Node:
    """The value with its key's place; a shared (anchored) value gets a node of its own."""
    if value.key is None:
        value.key = key
        return value
    new = value.at(value.value)
    new.tag = value.tag
    new.key = key
    return new
