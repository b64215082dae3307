"""A parsed document whose every key and value knows its place in a file."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ..problem import Problem


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """A text and where it came from: `label` is what messages call it, `directory` anchors relative paths."""

    label: str
    directory: Path
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """A stretch of one source line; line and column count from 0."""

    source: Source
    line: int
    column: int
    width: int = 1

    def problem(self, message: str, hint: str | None = None) -> Problem:
        """Return a problem that points here."""
        lines = self.source.lines
        text = lines[self.line] if self.line < len(lines) else ""
        return Problem(self.source.label, self.line + 1, self.column + 1, message, hint, text, self.width)


@dataclass(frozen=True, slots=True)
class Scalar:
    """Text, a number, true or false, or nothing (None)."""

    value: str | int | float | bool | None
    place: Place


@dataclass(frozen=True, slots=True)
class Sequence:
    """A list."""

    items: tuple["Node", ...]
    place: Place


@dataclass(frozen=True, slots=True)
class Entry:
    """One `key: value` of a mapping."""

    key_place: Place
    value: "Node"


@dataclass(frozen=True, slots=True)
class Mapping:
    """A mapping; keys are always text and keep their order."""

    entries: dict[str, Entry]
    place: Place


Node = Scalar | Sequence | Mapping
Data = str | int | float | bool | None | list["Data"] | dict[str, "Data"]


def plain(node: Node) -> Data:
    """Return the values of a tree without their places."""
    match node:
        case Scalar(value=value):
            return value
        case Sequence(items=items):
            return [plain(item) for item in items]
        case Mapping(entries=entries):
            return {key: plain(entry.value) for key, entry in entries.items()}


def locate(root: Node, path: Iterable[str | int]) -> tuple[Place, Node, tuple[str | int, ...]]:
    """Follow `path` from `root` as far as it goes.

    Returns the place of the last key or item reached, its value, and the steps taken. Steps that the tree does not
    have (a missing key, the tag of a choice) are passed over.
    """
    place, node = root.place, root
    taken: list[str | int] = []
    for step in path:
        if isinstance(node, Mapping) and isinstance(step, str) and step in node.entries:
            place, node = node.entries[step].key_place, node.entries[step].value
        elif isinstance(node, Sequence) and isinstance(step, int) and step < len(node.items):
            node = node.items[step]
            place = node.place
        else:
            continue
        taken.append(step)
    return place, node, tuple(taken)
