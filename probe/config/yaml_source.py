"""What does a YAML text say, and where in the text does it say it?

YAML 1.2 with its core schema only: `no` is text, a date is text. Every value remembers its line and column. What the
values mean is left to `targets_schema`. The text is hostile until shown otherwise: its size, its depth and what
its aliases expand to are bounded, tags are refused, and nothing is ever constructed but plain values.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path as FilePath

from ruamel.yaml import YAML, events
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.reader import ReaderError

from probe.config.mistakes import WHOLE_FILE, ConfigError, Mistake, unreadable

MAX_FILE_BYTES = 1_000_000  # a list of a few thousand targets; more is not a target list
MAX_DEPTH = 32  # targets.yaml needs 6; deeper nesting only serves to exhaust a reader
MAX_NODES = 100_000  # values after aliases are expanded: bounds "billion laughs"

PathKey = str | int
Path = tuple[PathKey, ...]
Scalar = str | int | float | bool | None
Plain = Scalar | list["Plain"] | dict[str, "Plain"]

# YAML 1.2.2 section 10.3.2, the core schema; more digits than any number of ours stay text
_NULL = re.compile(r"~|null|Null|NULL|")
_TRUE = re.compile(r"true|True|TRUE")
_FALSE = re.compile(r"false|False|FALSE")
_INT = re.compile(r"[-+]?[0-9]{1,18}")
_OCTAL = re.compile(r"0o[0-7]{1,20}")
_HEX = re.compile(r"0x[0-9a-fA-F]{1,15}")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]{1,18}|[0-9]{1,18}(?:\.[0-9]{0,18})?)(?:[eE][-+]?[0-9]{1,3})?")


@dataclass(slots=True, kw_only=True)
class Node:
    """A value and its place. Exactly one of `entries` (a mapping), `items` (a list) is set, or none for a scalar.

    `size` counts the values below and including this one, aliases expanded; `height` the levels of nesting.
    """

    line: int
    column: int
    scalar: Scalar = None
    entries: dict[str, tuple["Node", "Node"]] | None = None
    items: list["Node"] | None = None
    size: int = 1
    height: int = 1

    @property
    def is_nothing(self) -> bool:
        return self.scalar is None and self.entries is None and self.items is None

    def plain(self) -> Plain:
        """The value without its places."""
        if self.entries is not None:
            return {key: value.plain() for key, (_, value) in self.entries.items()}
        if self.items is not None:
            return [item.plain() for item in self.items]
        return self.scalar


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A document that was read, with the mistakes that did not stop the reading (duplicate keys and the like)."""

    root: Node
    mistakes: tuple[Mistake, ...]

    def locate(self, path: Path, *, key: bool = False) -> tuple[Path, int, int]:
        """The longest part of `path` that exists, with its line and column; with `key`, where its last key stands."""
        node, found = self.root, 0
        line, column = node.line, node.column
        for step in path:
            child = _child(node, step)
            if child is None:
                break
            found += 1
            name, node = child
            at = name if key and found == len(path) else node
            line, column = at.line, at.column
        return path[:found], line, column


def _child(node: Node, step: PathKey) -> tuple[Node, Node] | None:
    """The place of the name and the value of one step down."""
    if node.entries is not None and isinstance(step, str):
        return node.entries.get(step)
    if node.items is not None and isinstance(step, int) and 0 <= step < len(node.items):
        return node.items[step], node.items[step]
    return None


def spell(path: Path) -> str:
    """`targets[0].sites[1]`, `WHOLE_FILE` for the root."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text or WHOLE_FILE


@dataclass(slots=True)
class _Open:
    """A collection whose end has not been read yet; `key` is the mapping key that waits for its value."""

    node: Node
    path: Path
    anchor: str | None
    key: Node | None = None
    name: PathKey | None = None
    dropped: bool = False


@dataclass(slots=True)
class _Builder:
    """Turns parser events into nodes without recursion, so that depth is refused and never suffered."""

    name: str
    stack: list[_Open] = field(default_factory=list)
    anchors: dict[str, Node | None] = field(default_factory=dict)  # None: still open
    mistakes: list[Mistake] = field(default_factory=list)
    root: Node | None = None
    documents: int = 0

    def path(self) -> Path:
        """Where the next value will stand."""
        if not self.stack:
            return ()
        top = self.stack[-1]
        if top.node.items is not None:
            return (*top.path, len(top.node.items))
        return (*top.path, top.name) if top.name is not None else top.path

    def wrong(self, line: int, column: int, message: str) -> None:
        self.mistakes.append(Mistake(line=line, column=column, path=spell(self.path()), message=message))

    def stop(self, line: int, column: int, message: str) -> ConfigError:
        self.wrong(line, column, message)
        return ConfigError(tuple(self.mistakes), name=self.name)

    def open(self, node: Node, anchor: str | None) -> None:
        if len(self.stack) >= MAX_DEPTH:
            raise self.stop(node.line, node.column, f"nested deeper than {MAX_DEPTH} levels")
        if anchor is not None:
            self.anchors[anchor] = None
        self.stack.append(_Open(node, self.path(), anchor))

    def close(self) -> None:
        done = self.stack.pop()
        if done.anchor is not None:
            self.anchors[done.anchor] = done.node
        self.add(done.node)

    def alias(self, anchor: str, line: int, column: int) -> None:
        if anchor not in self.anchors:
            raise self.stop(line, column, f"alias *{anchor} refers to no anchor above it")
        node = self.anchors[anchor]
        if node is None:
            raise self.stop(line, column, f"alias *{anchor} refers to the value that it stands in")
        if len(self.stack) + node.height > MAX_DEPTH:
            raise self.stop(line, column, f"nested deeper than {MAX_DEPTH} levels through alias *{anchor}")
        self.add(node)

    def scalar(self, node: Node, anchor: str | None) -> None:
        if anchor is not None:
            self.anchors[anchor] = node
        self.add(node)

    def add(self, node: Node) -> None:
        """Put a finished value where it belongs: the root, a list, or a mapping's key or value."""
        if not self.stack:
            self.root = node
            return
        top = self.stack[-1]
        if top.node.items is not None:
            top.node.items.append(node)
        elif top.key is None:
            self._key(top, node)
            return
        else:
            self._value(top, node)
        top.node.size += node.size
        top.node.height = max(top.node.height, node.height + 1)
        if top.node.size > MAX_NODES:
            raise self.stop(node.line, node.column, f"more than {MAX_NODES} values, aliases expanded")

    def _key(self, top: _Open, node: Node) -> None:
        top.key = node
        if not isinstance(node.scalar, str) or node.entries is not None or node.items is not None:
            self.wrong(node.line, node.column, "a key must be text (put it in quotes)")
            top.dropped = True
            return
        top.name = node.scalar
        if top.node.entries is not None and node.scalar in top.node.entries:
            first = top.node.entries[node.scalar][0]
            self.wrong(node.line, node.column, f"given twice, first on line {first.line}")
            top.dropped = True

    def _value(self, top: _Open, node: Node) -> None:
        if not top.dropped and top.key is not None and top.node.entries is not None:
            if node.is_nothing and node.line > top.key.line:  # left out: the parser places it where the next begins
                node = Node(line=top.key.line, column=top.key.column)
            top.node.entries[str(top.key.scalar)] = (top.key, node)
        top.key, top.name, top.dropped = None, None, False


def read(text: str, *, name: str) -> Source:
    """Read one YAML (or JSON) document.

    Raises `ConfigError` where the text is no YAML, is empty, holds more than one document, or is beyond the bounds.
    """
    builder = _Builder(name)
    try:
        for event in YAML(typ="safe", pure=True).parse(text):
            _take(builder, event)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        detail = " ".join(part for part in (error.problem, error.context) if part)
        raise builder.stop(line, column, f"not YAML: {detail}") from None
    except ReaderError as error:
        line, column = _place(text, error.position)
        raise builder.stop(
            line, column, f"not YAML: character U+{_ordinal(error.character):04X} is not allowed"
        ) from None
    except (YAMLError, NotImplementedError, ValueError) as error:
        raise builder.stop(1, 1, f"not YAML: {error}") from None
    if builder.root is None:
        raise builder.stop(1, 1, "the file is empty")
    return Source(root=builder.root, mistakes=tuple(builder.mistakes))


def _take(builder: _Builder, event: object) -> None:
    """Feed one parser event to the builder."""
    if isinstance(event, events.DocumentStartEvent):
        builder.documents += 1
        if builder.documents > 1:
            raise builder.stop(event.start_mark.line + 1, event.start_mark.column + 1, "a second document in one file")
    if not isinstance(event, events.NodeEvent):
        if isinstance(event, events.CollectionEndEvent):
            builder.close()
        return
    line, column = event.start_mark.line + 1, event.start_mark.column + 1
    if isinstance(event, events.AliasEvent):
        builder.alias(event.anchor, line, column)
        return
    if isinstance(event, (events.CollectionStartEvent, events.ScalarEvent)) and event.tag is not None:
        builder.wrong(line, column, f"tag {event.tag} is not used here")
    if isinstance(event, events.MappingStartEvent):
        builder.open(Node(line=line, column=column, entries={}), event.anchor)
    elif isinstance(event, events.SequenceStartEvent):
        builder.open(Node(line=line, column=column, items=[]), event.anchor)
    elif isinstance(event, events.ScalarEvent):
        text = _paired(builder, event.value, line, column)
        value = resolve(text) if event.implicit[0] else text
        builder.scalar(Node(line=line, column=column, scalar=value), event.anchor)


def _paired(builder: _Builder, text: str, line: int, column: int) -> str:
    r"""Text in which JSON's escapes for characters beyond U+FFFF ("\ud83d\ude00") have become those characters."""
    if text.isascii():
        return text
    try:
        return text.encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeDecodeError:
        builder.wrong(line, column, "holds half of a surrogate pair")
        return text.encode("utf-8", "replace").decode("utf-8")


def resolve(text: str) -> Scalar:
    """What an unquoted scalar means in YAML 1.2's core schema."""
    if _NULL.fullmatch(text):
        return None
    if _TRUE.fullmatch(text) or _FALSE.fullmatch(text):
        return text.lower() == "true"
    if _INT.fullmatch(text):
        return int(text)
    if _OCTAL.fullmatch(text) or _HEX.fullmatch(text):
        return int(text, 0)
    return float(text) if _FLOAT.fullmatch(text) else text


def read_text(path: FilePath) -> str:
    """The text of a file, whole; `ConfigError` where it cannot be read, is too large, or is not UTF-8."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise unreadable(path, error.strerror or "cannot be read") from None
    return decode(data, name=str(path))


def decode(data: bytes, *, name: str) -> str:
    """The text of a file: UTF-8, a byte order mark allowed, at most `MAX_FILE_BYTES`; else `ConfigError`."""
    if len(data) > MAX_FILE_BYTES:
        raise _Builder(name).stop(1, 1, f"larger than {MAX_FILE_BYTES} bytes")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8", errors="replace")
        line, column = _place(before, len(before))
        raise _Builder(name).stop(line, column, f"not UTF-8: byte 0x{data[error.start]:02x}") from None


def _place(text: str, position: int) -> tuple[int, int]:
    """Line and column, from 1, of a character offset."""
    before = text[:position]
    return before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1


def _ordinal(character: object) -> int:
    return character if isinstance(character, int) else ord(str(character)[:1] or "\0")
