"""What a fault acts on: words like p3s07-p3s08, london>p3s07, p3s07, p3 made into directions of links and nodes.

links   A-B both directions, A>B from A to B alone
nodes   all links of the node, or the node itself, as the kind has it; one word may select many (selectors.py)
planes  the same for every satellite of the plane
to      the other side of a partition, as nodes; everybody else without it
parts   of the run itself: broker, fabric, orchestrator

Where a kind acts on what runs at a node, NODE/SERVICE is one service there.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final, get_args

from skyrack.orchestrator.faults import selectors
from skyrack.orchestrator.faults.atlas import Atlas
from skyrack.orchestrator.faults.effect import Part, Way
from skyrack.orchestrator.faults.hold import Place
from skyrack.orchestrator.faults.lot import Lot
from skyrack.orchestrator.faults.problem import FaultProblem, Unknown

PARTS: Final[tuple[Part, ...]] = get_args(Part)


@dataclass(frozen=True, slots=True)
class Selection:
    """What was asked for, in words."""

    links: tuple[str, ...] = ()
    nodes: tuple[str, ...] = ()
    planes: tuple[str, ...] = ()
    to: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()

    @property
    def words(self) -> tuple[str, ...]:
        """Every word of it, but for those of the other side."""
        return (*self.links, *self.nodes, *self.planes, *self.parts)

    def drawn(self, atlas: Atlas, lot: Lot, *, services: bool) -> Selection:
        """With the nodes that its random words draw, in place of those. Raises FaultProblem, Unknown."""

        def named(words: Iterable[str]) -> tuple[str, ...]:
            return tuple(
                name
                for word in words
                for name in (
                    selectors.drawn(word, atlas, lot, services=services)
                    if selectors.is_random(word)
                    else (word,)
                )
            )

        return replace(self, nodes=named(self.nodes), to=named(self.to))


@dataclass(frozen=True, slots=True)
class Target:
    """What that means: directions of links that may be, each once, or nodes, or places, or two sides, or parts."""

    words: tuple[str, ...]
    ways: tuple[Way, ...] = ()
    nodes: tuple[int, ...] = ()
    to: tuple[int, ...] = ()
    places: tuple[Place, ...] = ()
    parts: tuple[Part, ...] = ()
    one_way: bool = False


def links_of(selection: Selection, atlas: Atlas, *, one_way: bool) -> Target:
    """Links: those named, and all links of nodes and planes. Raises FaultProblem, Unknown."""
    ways: dict[Way, None] = {}
    for word in selection.links:
        a, b, alone = _ends(word, atlas)
        if alone and not one_way:
            raise FaultProblem(
                f"{word}: this kind of fault acts on both directions: write {word.replace('>', '-')}"
            )
        _require_link(word, a, b, atlas)
        ways |= dict.fromkeys([(a, b)] if alone else [(a, b), (b, a)])
    for node in _nodes(selection, atlas):
        for other in atlas.neighbours(node):
            ways |= dict.fromkeys([(node, other), (other, node)])
    return Target(selection.words, ways=tuple(ways))


def across_of(selection: Selection, atlas: Atlas) -> Target:
    """Lasers of satellites to other planes. Raises FaultProblem, Unknown."""
    _require_no_links(selection)
    ways: dict[Way, None] = {}
    for node in _nodes(selection, atlas):
        if node >= atlas.n_sat:
            raise FaultProblem(f"{atlas.names[node]} is on the ground")
        for other in atlas.across(node):
            ways |= dict.fromkeys([(node, other), (other, node)])
    if not ways:
        raise FaultProblem(f"{', '.join(selection.words)}: no laser there points at another plane")
    return Target(selection.words, ways=tuple(ways))


def nodes_of(selection: Selection, atlas: Atlas) -> Target:
    """Nodes themselves. Raises FaultProblem, Unknown."""
    _require_no_links(selection)
    return Target(selection.words, nodes=tuple(dict.fromkeys(_nodes(selection, atlas))))


def satellites_of(selection: Selection, atlas: Atlas) -> Target:
    """Satellites; where a word selects others too, these alone. Raises FaultProblem, Unknown."""
    _require_no_links(selection)
    for word in selection.nodes:
        if atlas.knows(word) and atlas.node(word) >= atlas.n_sat:
            raise FaultProblem(f"{word} is on the ground: this kind of fault acts on satellites")
    nodes = dict.fromkeys(node for node in _nodes(selection, atlas) if node < atlas.n_sat)
    if not nodes:
        raise FaultProblem(f"{', '.join(selection.words)}: nothing but nodes on the ground")
    return Target(selection.words, nodes=tuple(nodes))


def places_of(selection: Selection, atlas: Atlas, *, bare: bool) -> Target:
    """What runs at nodes: all of it, or one service as NODE/SERVICE; `nodes` are those that are meant as a whole.

    Nodes without a process have no place; only where the kind acts on `bare` ones may nothing but them be meant. Raises
    FaultProblem, Unknown.
    """
    _require_no_links(selection)
    places: dict[Place, None] = {}
    for word in selection.nodes:
        places |= dict.fromkeys(selectors.select(word, atlas))
    for name in selection.planes:
        places |= dict.fromkeys((node, "") for node in atlas.plane(name))
    nodes = tuple(node for node, service in places if not service)
    if not bare:
        for word in selection.nodes:
            if atlas.knows(word) and not atlas.has_process(atlas.node(word)):
                raise FaultProblem(f"{word} is a bare satellite: it has no process")
    there = tuple(place for place in places if atlas.has_process(place[0]))
    if not there and not bare:
        raise FaultProblem(
            f"{', '.join(selection.words)}: nothing but bare satellites, which have no process"
        )
    return Target(selection.words, nodes=nodes, places=there)


def sides_of(selection: Selection, atlas: Atlas, *, one_way: bool) -> Target:
    """Two sides that have nobody in common. Raises FaultProblem, Unknown."""
    _require_no_links(selection)
    side = dict.fromkeys(_nodes(selection, atlas))
    words = selection.words
    if selection.to:
        other = dict.fromkeys(_nodes(Selection(nodes=selection.to), atlas))
        words = (*words, "to", *selection.to)
        if both := side.keys() & other.keys():
            raise FaultProblem(f"{atlas.names[min(both)]} is on both sides")
    else:
        other = dict.fromkeys(node for node in range(len(atlas.names)) if node not in side)
    if not other:
        raise FaultProblem("nobody is left for the other side")
    return Target(words, nodes=tuple(side), to=tuple(other), one_way=one_way)


def parts_of(selection: Selection) -> Target:
    """Parts of the run. Raises FaultProblem."""
    for word in (*selection.links, *selection.nodes, *selection.planes):
        raise FaultProblem(f"{word}: this kind of fault acts on parts of the run: {', '.join(PARTS)}")
    for word in selection.parts:
        if word not in PARTS:
            raise FaultProblem(f"{word[:80]!r} is no part of a run: {', '.join(PARTS)} are")
    return Target(selection.words, parts=tuple(part for part in PARTS if part in selection.parts))


def _require_no_links(selection: Selection) -> None:
    if selection.links:
        raise FaultProblem(f"{selection.links[0]}: this kind of fault acts on nodes or planes, not on links")


def _nodes(selection: Selection, atlas: Atlas) -> Iterable[int]:
    for word in selection.nodes:
        places = selectors.select(word, atlas)
        if "/" in word and not atlas.knows(word):
            raise FaultProblem(f"{word}: this kind of fault acts on whole nodes, not on a service")
        yield from (node for node, _ in places)
    for name in selection.planes:
        yield from atlas.plane(name)


def _ends(word: str, atlas: Atlas) -> tuple[int, int, bool]:
    """Both ends of a link word, and whether it means one direction. Names may have hyphens themselves."""
    if ">" in word:
        a, _, b = word.partition(">")
        return atlas.node(a), atlas.node(b), True
    parts = word.split("-")
    splits = [("-".join(parts[:i]), "-".join(parts[i:])) for i in range(1, len(parts))]
    if not splits:
        raise FaultProblem(f"{word[:80]!r} is not a link: expected A-B, or A>B for one direction")
    good = [(a, b) for a, b in splits if atlas.knows(a) and atlas.knows(b)]
    if len(good) > 1:
        either = " or ".join(f"{a} and {b}" for a, b in good)
        raise FaultProblem(f"{word} may be {either}: write both directions, as A>B and B>A")
    if good:
        return atlas.node(good[0][0]), atlas.node(good[0][1]), False
    raise _not_a_link(word, splits, atlas)


def _not_a_link(word: str, splits: list[tuple[str, str]], atlas: Atlas) -> Exception:
    """Which end is not known, where one is."""
    a, b = next(
        ((a, b) for a, b in splits if atlas.knows(a) or atlas.knows(b)), splits[(len(splits) - 1) // 2]
    )
    try:
        atlas.node(b if atlas.knows(a) else a)
    except Unknown as unknown:
        return Unknown(f"{word[:80]}: {unknown}")
    raise AssertionError(word)


def _require_link(word: str, a: int, b: int, atlas: Atlas) -> None:
    if a == b:
        raise FaultProblem(f"{word}: both ends are {atlas.names[a]}")
    if not atlas.may_link(a, b):
        raise FaultProblem(
            f"{word}: {atlas.names[a]} and {atlas.names[b]} are never linked: "
            f"{atlas.names[a]} may be linked to {atlas.described(a)}"
        )
