"""`extends`: one scenario on top of another.

Mappings merge key by key, lists and scalars replace. A few mappings are one choice rather than a set of keys
(`inhabited: {count: 12}` or `{box: ...}`); those replace as a whole, so that a choice never mixes with the old one.
"""

import os.path
from pathlib import Path

from ..names import closest
from ..problem import Problem, ScenarioError
from .parse import parse
from .source import read_file, read_preset
from .tree import Entry, Mapping, Node, Place, Scalar, Sequence, Source

CHOICES = frozenset({"inhabited"})
FILE_LISTS = ("tle", "omm")


def merge(base: Mapping, over: Mapping) -> Mapping:
    """Return `base` with `over` laid on top; the order of keys is that of `base`, then what is new."""
    entries = dict(base.entries)
    for key, entry in over.entries.items():
        old = entries.get(key)
        entries[key] = Entry(entry.key_place, entry.value)
        if old and key not in CHOICES and isinstance(old.value, Mapping) and isinstance(entry.value, Mapping):
            entries[key] = Entry(entry.key_place, merge(old.value, entry.value))
    return Mapping(entries, over.place)


def resolve(source: Source, presets: tuple[str, ...]) -> tuple[Mapping, list[Problem]]:
    """Return a source's tree with everything it extends merged in, and the problems met on the way.

    Raises ScenarioError when a text has no usable tree at all.
    """
    return _resolve(source, presets, {}, identity=source.label)


def _resolve(
    source: Source, presets: tuple[str, ...], chain: dict[str, str], identity: str
) -> tuple[Mapping, list[Problem]]:
    tree, problems = parse(source)
    if problems and tree is None:
        raise ScenarioError(tuple(problems))
    if tree is None or (isinstance(tree, Scalar) and tree.value is None):
        raise ScenarioError(
            (Problem(source.label, 0, 0, "the file is empty", "start with: extends: iridium"),)
        )
    if not isinstance(tree, Mapping):
        found = "a list" if isinstance(tree, Sequence) else "plain text"
        problem = tree.place.problem(f"a scenario is a mapping (key: value), found {found}")
        raise ScenarioError((*problems, problem))
    tree = _absolute_files(tree)
    entry = tree.entries.get("extends")
    if entry is None:
        return tree, problems
    own = Mapping({key: value for key, value in tree.entries.items() if key != "extends"}, tree.place)
    chain = {**chain, identity: source.label}
    base = _base(entry.value, entry.value.place, presets, chain, problems)
    return (merge(base, own), problems) if base else (own, problems)


def _base(
    node: Node, place: Place, presets: tuple[str, ...], chain: dict[str, str], problems: list[Problem]
) -> Mapping | None:
    """Return the merged tree that `extends: <node>` names; adds to `problems` when there is none."""
    if not isinstance(node, Scalar) or not isinstance(node.value, str) or not node.value:
        problems.append(place.problem("extends takes the name of a preset or the path of a scenario file"))
        return None
    wanted = node.value
    try:
        if wanted in presets:
            identity, source = f"preset:{wanted}", read_preset(wanted)
        elif "/" in wanted or wanted.endswith((".yaml", ".yml", ".json")):
            label = os.path.normpath(place.source.directory / wanted)
            identity = os.path.realpath(label) if "\0" not in label else label
            source = read_file(Path(label), label)
        else:
            hint = closest(wanted, presets) or f"presets: {', '.join(presets)}; a file is written ./file.yaml"
            problems.append(place.problem(f"unknown preset '{wanted}'", hint))
            return None
        if identity in chain:
            circle = " -> ".join([*list(chain.values())[list(chain).index(identity) :], source.label])
            problems.append(place.problem(f"extends goes in a circle: {circle}"))
            return None
        base, more = _resolve(source, presets, chain, identity)
    except ScenarioError as error:
        problems += [
            place.problem(f"cannot extend '{wanted}': {p.message}", p.hint) if not p.line else p
            for p in error.problems
        ]
        return None
    problems += more
    return base


def _absolute_files(tree: Mapping) -> Mapping:
    """Return the tree with the paths of orbit files anchored at the folder of the file that names them."""
    entries = dict(tree.entries)
    for key in FILE_LISTS:
        if key in entries and isinstance(entries[key].value, Sequence):
            old = entries[key].value
            assert isinstance(old, Sequence)
            entries[key] = Entry(
                entries[key].key_place, Sequence(tuple(map(_absolute, old.items)), old.place)
            )
    return Mapping(entries, tree.place)


def _absolute(node: Node) -> Node:
    if not isinstance(node, Scalar) or not isinstance(node.value, str) or not node.value:
        return node
    return Scalar(os.path.abspath(node.place.source.directory / node.value), node.place)
