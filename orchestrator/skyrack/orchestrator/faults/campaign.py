"""Campaigns: faults drawn at random, all of them beforehand, as a function of the seed and the campaign's name alone.

    gaps between beginnings   exponential, `every_s` in the mean: they come independently, as failures do
    kind                      each of `kinds` as likely
    duration                  uniform in `for_s`; none for what is done at once or is for good
    target                    one of what `on` selects, each as likely (below)

A fault that would begin while `most_at_once` of the campaign act is left out; its draws are made all the same, so that
another bound does not change the others.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from skyrack.orchestrator.faults.atlas import Atlas
from skyrack.orchestrator.faults.fault import Draft, Planned
from skyrack.orchestrator.faults.hold import place_name
from skyrack.orchestrator.faults.kinds import Kind
from skyrack.orchestrator.faults.lot import Lot
from skyrack.orchestrator.faults.problem import FaultProblem
from skyrack.orchestrator.faults.request import MOST_FAULTS, kind_called, read_draft
from skyrack.orchestrator.faults.selectors import is_random, is_selector, select
from skyrack.orchestrator.faults.targets import PARTS

Words = dict[str, list[str]]  # a selection as a request has it


@dataclass(frozen=True, slots=True)
class Campaign:
    """`kinds`: entries of requests without a target. `on`: words for nodes, links or parts. Times in run seconds."""

    name: str
    kinds: Sequence[Mapping[str, Any]]
    on: Sequence[str]
    every_s: float
    for_s: tuple[float, float]
    from_s: float
    until_s: float
    most_at_once: int | None = None


def draw(campaign: Campaign, atlas: Atlas, seed: int) -> list[Planned]:
    """Every fault of a campaign, in order of time. Raises FaultProblem, Unknown, whatever is drawn."""
    if (campaign.until_s - campaign.from_s) / campaign.every_s > MOST_FAULTS:
        raise FaultProblem(
            f"{campaign.name}: more than {MOST_FAULTS:,} faults: every_s is too little for so long"
        )
    kinds = [kind_called(entry["kind"]) for entry in campaign.kinds]
    sources = [_source(kind, campaign.on, atlas) for kind in kinds]
    lot = Lot(seed, "campaign", campaign.name)
    cause = f"campaign {campaign.name}"
    faults: list[Planned] = []
    # What a fault does is worked out once for each target; not where the fault itself draws what that is.
    known: dict[tuple[int, str], Draft] = {}
    ends_s: list[float] = []
    at_s = campaign.from_s
    while True:
        at_s += lot.gap(campaign.every_s)
        number = lot.one(range(len(kinds)))
        for_s = round(lot.between(*campaign.for_s), 3)
        words = sources[number](lot)
        if at_s >= campaign.until_s:
            return faults
        kind = kinds[number]
        key = number, repr(words)
        if key not in known or any(parameter.drawn for parameter in kind.parameters):
            known[key] = read_draft({**campaign.kinds[number], **words, "cause": cause}, atlas, lot)
        draft = known[key] if not kind.timed or kind.for_s == math.inf else replace(known[key], for_s=for_s)
        one = Planned(round(at_s, 3), draft)
        ends_s = [end_s for end_s in ends_s if end_s > one.at_s]
        if campaign.most_at_once is None or len(ends_s) < campaign.most_at_once:
            faults.append(one)
            ends_s.append(one.at_s + one.draft.for_s)


class _Nodes:
    """One node, or one service at one."""

    def __init__(self, words: Sequence[str]) -> None:
        self._words = words

    def __call__(self, lot: Lot) -> Words:
        return {"nodes": [lot.one(self._words)]}


class _Links:
    """One link that is named, or one of a node: a laser that its pattern keeps, or else all that it has."""

    def __init__(self, choices: Sequence[str | int], atlas: Atlas) -> None:
        self._choices = choices
        self._atlas = atlas

    def __call__(self, lot: Lot) -> Words:
        choice = lot.one(self._choices)
        if isinstance(choice, str):
            return {"links": [choice]}
        lasers, names = self._atlas.lasers(choice), self._atlas.names
        if not lasers:
            return {"nodes": [names[choice]]}
        return {"links": [f"{names[choice]}-{names[lot.one(lasers)]}"]}


class _Sides:
    """A minority of the nodes, or half of them, against the others of them."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names

    def __call__(self, lot: Lot) -> Words:
        minority = lot.some(1 + lot.one(range(len(self._names) // 2)), self._names)
        return {"nodes": minority, "to": [name for name in self._names if name not in minority]}


class _Parts:
    """One part of the run."""

    def __init__(self, parts: Sequence[str]) -> None:
        self._parts = parts

    def __call__(self, lot: Lot) -> Words:
        return {"parts": [lot.one(self._parts)]}


def _source(kind: Kind, on: Sequence[str], atlas: Atlas) -> _Nodes | _Links | _Sides | _Parts:
    """What a kind's targets are drawn from. Raises FaultProblem, Unknown."""
    parts = [word for word in on if word in PARTS]
    others = [word for word in on if word not in PARTS]
    if any(is_random(word) for word in others):
        raise FaultProblem("on: a campaign draws one of what the words select: leave out random:N:")
    if kind.acts_on == "parts":
        if not parts:
            raise FaultProblem(f"on: {kind.name} needs a part of the run: {', '.join(PARTS)}")
        return _Parts(parts)
    links = [word for word in others if kind.acts_on == "links" and _is_link(word, atlas)]
    places = dict.fromkeys(place for word in others if word not in links for place in select(word, atlas))
    if kind.acts_on == "places":
        there = [place for place in places if kind.bare or atlas.has_process(place[0])]
        names = [place_name(place, atlas.names) for place in there]
    else:
        in_orbit = kind.acts_on in ("across", "satellites")
        there = list(dict.fromkeys((node, "") for node, _ in places if not in_orbit or node < atlas.n_sat))
        names = [atlas.names[node] for node, _ in there]
    if kind.acts_on == "sides":
        if len(names) < 2:
            raise FaultProblem(f"on: {kind.name} needs two nodes at least to part, found {len(names)}")
        return _Sides(names)
    if not names and not links:
        raise FaultProblem(f"on: {kind.name} finds nothing there that it could act on")
    return _Links([*links, *(node for node, _ in there)], atlas) if kind.acts_on == "links" else _Nodes(names)


def _is_link(word: str, atlas: Atlas) -> bool:
    return not atlas.knows(word) and not is_selector(word) and ("-" in word or ">" in word)
