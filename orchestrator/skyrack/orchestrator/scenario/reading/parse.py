"""YAML text to a tree with places, through the parser's event stream.

Events, not PyYAML's constructors: nothing is executed, every duplicate key is seen, depth and the growth of aliases
are bounded, and no YAML 1.1 guess is made about values.
"""

from dataclasses import dataclass, field

import yaml

from ..problem import Problem
from .scalars import plain_value
from .tree import Entry, Mapping, Node, Place, Scalar, Sequence, Source

Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml where PyYAML was built with it
DEEPEST = 32
MOST_VALUES = 200_000  # after aliases are written out; the largest real scenario lists some 10,000 names
CORE_TAGS = {"tag:yaml.org,2002:str", "tag:yaml.org,2002:seq", "tag:yaml.org,2002:map"}


@dataclass(slots=True)
class _Open:
    """A list or mapping still being read."""

    place: Place
    anchor: str | None
    is_mapping: bool
    items: list[Node] = field(default_factory=list)
    entries: dict[str, Entry] = field(default_factory=dict)
    key: tuple[str, Place] | None = None
    size: int = 1


class _Stop(Exception):
    """The text cannot be read any further."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem


def parse(source: Source) -> tuple[Node | None, list[Problem]]:
    """Return the document's tree (None when it is empty or unreadable) and what is wrong with its syntax."""
    builder = _Builder(source)
    try:
        for event in yaml.parse("\n".join(source.lines) + "\n", Loader=Loader):
            builder.take(event)
    except yaml.MarkedYAMLError as error:
        builder.problems.append(_syntax(source, error))
        return None, builder.problems
    except yaml.YAMLError as error:
        builder.problems.append(Problem(source.label, 0, 0, f"this is not YAML: {error}"))
        return None, builder.problems
    except _Stop as stop:
        builder.problems.append(stop.problem)
        return None, builder.problems
    return builder.root, builder.problems


class _Builder:
    def __init__(self, source: Source) -> None:
        self.source = source
        self.root: Node | None = None
        self.problems: list[Problem] = []
        self._stack: list[_Open] = []
        self._anchors: dict[str, tuple[Node, int]] = {}
        self._documents = 0

    def take(self, event: yaml.Event) -> None:
        match event:
            case yaml.DocumentStartEvent():
                self._documents += 1
                if self._documents > 1:
                    raise _Stop(
                        self._place(event).problem("a scenario file holds one document, this starts a second")
                    )
            case yaml.ScalarEvent():
                self._scalar(event)
            case yaml.SequenceStartEvent() | yaml.MappingStartEvent():
                self._open(event)
            case yaml.SequenceEndEvent() | yaml.MappingEndEvent():
                self._close()
            case yaml.AliasEvent():
                if event.anchor not in self._anchors:
                    message = (
                        f"unknown alias '*{event.anchor}': no finished value has the anchor '&{event.anchor}'"
                    )
                    raise _Stop(self._place(event).problem(message))
                self._add(*self._anchors[event.anchor], self._place(event))

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        place = self._place(event)
        self._check_tag(event.tag, place)
        text: str = event.value
        as_text = event.tag is not None or not event.implicit[0]  # quoted, a block, or tagged !!str
        scalar = Scalar(text if as_text else plain_value(text), place)
        if event.anchor:
            self._anchors[event.anchor] = (scalar, 1)
        if self._awaits_key():
            self._take_key(text, place)
        else:
            self._add(scalar, 1, place)

    def _open(self, event: yaml.SequenceStartEvent | yaml.MappingStartEvent) -> None:
        place = self._place(event)
        self._check_tag(event.tag, place)
        if self._awaits_key():
            raise _Stop(place.problem("a key must be a plain word, not a list or mapping"))
        if len(self._stack) >= DEEPEST:
            raise _Stop(place.problem(f"nested more than {DEEPEST} levels deep"))
        self._stack.append(_Open(place, event.anchor, isinstance(event, yaml.MappingStartEvent)))

    def _close(self) -> None:
        done = self._stack.pop()
        node: Node = (
            Mapping(done.entries, done.place) if done.is_mapping else Sequence(tuple(done.items), done.place)
        )
        if done.anchor:
            self._anchors[done.anchor] = (node, done.size)
        self._add(node, done.size, done.place)

    def _take_key(self, text: str, place: Place) -> None:
        top = self._stack[-1]
        top.key = (text, place)
        if text in top.entries:
            first = top.entries[text].key_place
            self.problems.append(
                place.problem(f"duplicate key '{text}'", f"first written in line {first.line + 1}")
            )

    def _add(self, node: Node, size: int, place: Place) -> None:
        if self._awaits_key():
            if not isinstance(node, Scalar):
                raise _Stop(place.problem("a key must be a plain word, not a list or mapping"))
            self._take_key(str(node.value), place)
            return
        if not self._stack:
            self.root = node
            return
        top = self._stack[-1]
        top.size += size
        if top.size > MOST_VALUES:
            raise _Stop(place.problem(f"more than {MOST_VALUES:,} values once aliases are written out"))
        if top.key is None:
            top.items.append(node)
        else:
            name, key_place = top.key
            top.entries.setdefault(name, Entry(key_place, node))
            top.key = None

    def _awaits_key(self) -> bool:
        return bool(self._stack) and self._stack[-1].is_mapping and self._stack[-1].key is None

    def _check_tag(self, tag: str | None, place: Place) -> None:
        if tag is not None and tag != "!" and tag not in CORE_TAGS:
            shown = tag.replace("tag:yaml.org,2002:", "!!")
            raise _Stop(place.problem(f"the tag '{shown}' is not supported", "write the plain value"))

    def _place(self, event: yaml.Event) -> Place:
        start, end = event.start_mark, event.end_mark
        assert start is not None
        assert end is not None
        length = end.column - start.column if end.line == start.line else 1
        return Place(self.source, start.line, start.column, max(1, length))


def _syntax(source: Source, error: yaml.MarkedYAMLError) -> Problem:
    """Turn a parser's complaint into a problem, in words for people who do not know YAML's terms."""
    mark = error.problem_mark or error.context_mark
    if mark is None:
        return Problem(source.label, 0, 0, f"this is not YAML: {error.problem}")
    if error.context_mark and not "".join(source.lines[mark.line :]).strip():
        # The text ends inside something: where that began says more than where the file ends.
        start = Place(source, error.context_mark.line, error.context_mark.column)
        return start.problem(f"this is not YAML: {error.problem}, {error.context} that starts here")
    line = min(mark.line, max(0, len(source.lines) - 1))
    column = mark.column if line == mark.line else len(source.lines[line])
    text = source.lines[line] if source.lines else ""
    said = str(error.problem or error.context)
    if "\t" in text[: column + 1] and not text[:column].strip(" \t"):
        tab = text.index("\t")
        return Place(source, line, tab).problem("a tab cannot indent YAML", "indent with spaces")
    hint = None
    if "mapping values are not allowed" in said:
        hint = "quote a value that contains ': ', check the indentation, and the line before"
    elif "could not find expected ':'" in said:
        hint = "every line of a mapping is 'key: value', with a space after the colon"
    elif error.context and error.context_mark and error.context_mark.line != line:
        hint = f"{error.context} that starts in line {error.context_mark.line + 1}"
    return Place(source, line, column).problem(f"this is not YAML: {said}", hint)
