"""`extends`: one scenario on top of another.

Mappings merge key by key, lists and scalars replace. A few mappings are one choice rather than a set of keys
(`inhabited: {count: 12}` or `{box: ...}`); those replace as a whole, so that a choice never mixes with the old one.
"""

import os.path
from dataclasses import dataclass, field
from pathlib import Path

from ...spelling import closest
from ..problem import Problem, ScenarioError
from .parse import parse
from .source import read_file, read_preset
from .tree import Entry, Mapping, Node, Scalar, Sequence, Source

CHOICES = frozenset({"inhabited"})
FILE_LISTS = ("tle", "omm")
LONGEST_CHAIN = 16


def merge(base: Mapping, over: Mapping) -> Mapping:
    """Return `base` with `over` laid on top; the order of keys is that of `base`, then what is new."""
    entries = dict(base.entries)
    for key, entry in over.entries.items():
        old = entries.get(key)
        entries[key] = entry
        if old and key not in CHOICES and isinstance(old.value, Mapping) and isinstance(entry.value, Mapping):
            entries[key] = Entry(entry.key_place, merge(old.value, entry.value))
    return Mapping(entries, over.place)


@dataclass(slots=True)
class Resolver:
    """Follows `extends` from one source to the next and merges what it finds."""

    presets: tuple[str, ...]
    problems: list[Problem] = field(default_factory=list)
    complete: bool = True  # False once something that should have been merged in could not be

    def resolve(self, source: Source) -> Mapping:
        """Return a source's tree with everything it extends merged in.

        Adds to `problems`; raises ScenarioError when the source itself has no usable tree.
        """
        return self._merged(source, {_identity(source.label): source.label})

    def _merged(self, source: Source, chain: dict[str, str]) -> Mapping:
        tree = _absolute_files(self._mapping(source))
        entry = tree.entries.get("extends")
        if entry is None:
            return tree
        own = Mapping({key: value for key, value in tree.entries.items() if key != "extends"}, tree.place)
        base = self._base(entry.value, chain)
        if base is None:
            self.complete = False
            return own
        return merge(base, own)

    def _mapping(self, source: Source) -> Mapping:
        tree, problems = parse(source)
        if tree is None or (isinstance(tree, Scalar) and tree.value is None):
            empty = Problem(source.label, 0, 0, "the file is empty", "start with: extends: iridium")
            raise ScenarioError(tuple(problems) or (empty,))
        if not isinstance(tree, Mapping):
            found = "a list" if isinstance(tree, Sequence) else "plain text"
            problem = tree.place.problem(f"a scenario is a mapping (key: value), found {found}")
            raise ScenarioError((*problems, problem))
        self.problems += problems
        return tree

    def _base(self, node: Node, chain: dict[str, str]) -> Mapping | None:
        """Return the merged tree that `extends: <node>` names, None when there is none."""
        place = node.place
        if not isinstance(node, Scalar) or not isinstance(node.value, str) or not node.value:
            message = "extends takes the name of a preset or the path of a scenario file"
            self.problems.append(place.problem(message))
            return None
        try:
            source = self._source(node.value, place.source.directory)
            if source is None:
                listed = f"presets: {', '.join(self.presets)}; a file is written ./file.yaml"
                hint = closest(node.value, self.presets) or listed
                self.problems.append(place.problem(f"unknown preset '{node.value}'", hint))
                return None
            identity = _identity(source.label)
            if identity in chain:
                circle = [*list(chain.values())[list(chain).index(identity) :], chain[identity]]
                self.problems.append(place.problem(f"extends goes in a circle: {' -> '.join(circle)}"))
                return None
            if len(chain) > LONGEST_CHAIN:
                self.problems.append(place.problem(f"extends goes through more than {LONGEST_CHAIN} files"))
                return None
            return self._merged(source, {**chain, identity: source.label})
        except ScenarioError as error:
            self.problems += [
                problem if problem.line else place.problem(f"{node.value}: {problem.message}", problem.hint)
                for problem in error.problems
            ]
            return None

    def _source(self, wanted: str, directory: Path) -> Source | None:
        if wanted in self.presets:
            return read_preset(wanted)
        if "/" in wanted or wanted.endswith((".yaml", ".yml", ".json")):
            label = os.path.normpath(directory / wanted)
            return read_file(Path(label), label)
        return None


def _identity(label: str) -> str:
    """Return what tells one source from another, whatever path leads to it."""
    return label if label.startswith("preset:") or "\0" in label else os.path.realpath(label)


def _absolute_files(tree: Mapping) -> Mapping:
    """Return the tree with the paths of orbit files and modules anchored at the folder of the file that names them."""
    entries = dict(tree.entries)
    for key in FILE_LISTS:
        entry = entries.get(key)
        if entry and isinstance(entry.value, Sequence):
            items = tuple(_absolute(item) for item in entry.value.items)
            entries[key] = Entry(entry.key_place, Sequence(items, entry.value.place))
    services = entries.get("services")
    if services and isinstance(services.value, Sequence):
        items = tuple(_with_path(item) for item in services.value.items)
        entries["services"] = Entry(services.key_place, Sequence(items, services.value.place))
    return Mapping(entries, tree.place)


def _with_path(service: Node) -> Node:
    """Return a service with its directories anchored in the same way; by default, a Python one has the folder itself."""
    if not isinstance(service, Mapping) or not {"python", "path"} & service.entries.keys():
        return service
    entry = service.entries.get("path")
    place = entry.key_place if entry else service.entries["python"].key_place
    given = entry.value if entry else Sequence((Scalar(".", place),), place)
    if not isinstance(given, Sequence):
        return service
    items = tuple(_absolute(item) for item in given.items)
    return Mapping({**service.entries, "path": Entry(place, Sequence(items, given.place))}, service.place)


def _absolute(node: Node) -> Node:
    if not isinstance(node, Scalar) or not isinstance(node.value, str) or not node.value:
        return node
    return Scalar(os.path.abspath(node.place.source.directory / node.value), node.place)
