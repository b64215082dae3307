"""Requests for faults, as JSON objects over the API, made into drafts or refused with what is wrong.

    {"kind": "latency", "links": ["p3s07-p3s08"], "extra_s": 0.2, "for_s": 30, "in_s": 10, "cause": "..."}

`links`, `nodes`, `planes`: what it acts on (targets.py). `for_s`: without it the fault lasts as long as its kind says, for
most until it is removed. `in_s`: how long from now it begins.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from skyrack.orchestrator.faults.atlas import Atlas
from skyrack.orchestrator.faults.fault import Draft
from skyrack.orchestrator.faults.kinds import KINDS, Kind, Parameter
from skyrack.orchestrator.faults.lot import Lot
from skyrack.orchestrator.faults.problem import FaultProblem
from skyrack.orchestrator.faults.targets import (
    Selection,
    Target,
    across_of,
    links_of,
    nodes_of,
    parts_of,
    places_of,
    satellites_of,
    sides_of,
)
from skyrack.orchestrator.spelling import closest

MOST_FAULTS = 10_000
LONGEST_S = 366 * 86_400.0
_SELECTORS: Final = ("links", "nodes", "planes", "to", "parts")
_COMMON: Final = ("kind", *_SELECTORS, "one_way", "for_s", "cause")
_ACTS_ON: Final = {
    "links": "links, nodes (all their links) or planes",
    "across": "satellites, as nodes or planes",
    "nodes": "nodes or planes",
    "satellites": "satellites, as nodes or planes",
    "places": "nodes, services of theirs as NODE/SERVICE, or planes",
    "sides": "nodes or planes of one side",
    "parts": "parts: broker, fabric or orchestrator",
}


@dataclass(frozen=True, slots=True)
class Request:
    """A fault that was asked for, to begin `in_s` from now."""

    draft: Draft
    in_s: float


def read_requests(body: Mapping[str, Any], atlas: Atlas, lot_of: Callable[[int], Lot]) -> list[Request]:
    """All or none of {"faults": [...]}; entry i draws from lot_of(i). Raises FaultProblem, Unknown."""
    entries = body.get("faults")
    if not isinstance(entries, list) or not entries:
        raise FaultProblem("faults: expected a list of faults")
    if len(entries) > MOST_FAULTS:
        raise FaultProblem(f"faults: at most {MOST_FAULTS:,} at once, found {len(entries):,}")
    return [read_request(entry, atlas, lot_of(index)) for index, entry in enumerate(entries)]


def read_request(entry: object, atlas: Atlas, lot: Lot) -> Request:
    """One fault that begins `in_s` from now. Raises FaultProblem, Unknown."""
    draft = read_draft(entry, atlas, lot, ("in_s",))
    assert isinstance(entry, dict)
    in_s = 0.0
    if entry.get("in_s") is not None and (entry["in_s"] != 0 or isinstance(entry["in_s"], bool)):
        in_s = _number(draft.kind, entry, "in_s", "seconds from now", 0.0, LONGEST_S)
    return Request(draft, in_s)


def read_draft(entry: object, atlas: Atlas, lot: Lot, more: tuple[str, ...] = ()) -> Draft:
    """What one fault is, whenever it begins; `more` are keys that say so. Raises FaultProblem, Unknown."""
    if not isinstance(entry, dict):
        raise FaultProblem(f"{str(entry)[:80]!r}: expected a fault as a JSON object")
    kind = kind_called(entry.get("kind"))
    keys = (*_COMMON, *more, *(parameter.key for parameter in kind.parameters))
    for key in entry:
        if key not in keys:
            near = closest(str(key), keys)
            raise FaultProblem(
                f"{kind.name}: unknown key {str(key)[:80]!r}: {near or 'expected ' + ', '.join(keys)}"
            )
    chosen = Selection(*(_words(kind.name, entry, key) for key in _SELECTORS))
    if not chosen.words:
        raise FaultProblem(f"{kind.name}: acts on what? Give {_ACTS_ON[kind.acts_on]}")
    chosen = chosen.drawn(atlas, lot, services=kind.acts_on == "places")
    target = _target(kind, chosen, atlas, _flag(kind.name, entry, "one_way"))
    values = {parameter.key: _value(kind.name, parameter, entry, lot) for parameter in kind.parameters}
    cause = entry.get("cause", "request")
    if not isinstance(cause, str) or len(cause) > 200 or not cause.isprintable():
        raise FaultProblem(f"{kind.name}: cause: expected a line of at most 200 characters")
    pulse = kind.pulse(values) if kind.pulse is not None else None
    effect = kind.effect(values, target)
    stages = kind.stages(values, target) if kind.stages is not None else ()
    return Draft(kind.name, target, values, effect, _for_s(kind, entry, lot), cause, pulse, chosen, stages)


def entry_of(draft: Draft) -> dict[str, Any]:
    """The entry that is this draft again, with what was drawn for it."""
    words = {key: list(getattr(draft.selection, key)) for key in _SELECTORS}
    return {
        "kind": draft.kind,
        **{key: value for key, value in words.items() if value},
        **({"one_way": True} if draft.target.one_way else {}),
        **draft.values,
        **({"for_s": draft.for_s} if 0.0 < draft.for_s < math.inf else {}),
        "cause": draft.cause,
    }


def _value(kind: str, parameter: Parameter, entry: Mapping[str, Any], lot: Lot) -> float:
    if entry.get(parameter.key) is None:
        if parameter.drawn:
            return float(parameter.above + 1 + lot.one(range(int(parameter.most - parameter.above))))
        if parameter.default is not None:
            return parameter.default
    value = entry.get(parameter.key)
    wrong = f"{kind}: {parameter.key}: expected {parameter.text}, {parameter.bounds}"
    if value is None:
        raise FaultProblem(wrong)
    if isinstance(value, bool) or not isinstance(value, int | float) or not parameter.allows(value):
        raise FaultProblem(f"{wrong}, found {str(value)[:80]}")
    return float(value)


def _for_s(kind: Kind, entry: Mapping[str, Any], lot: Lot) -> float:
    if entry.get("for_s") is None:
        if isinstance(kind.for_s, tuple):
            return lot.between(*kind.for_s)
        return 0.0 if kind.at_once else math.inf if kind.for_s is None else kind.for_s
    if kind.at_once:
        raise FaultProblem(f"{kind.name}: for_s: it is done at once and does not last")
    if kind.stages is not None:
        keys = ", ".join(parameter.key for parameter in kind.parameters)
        raise FaultProblem(f"{kind.name}: for_s: {keys} say how long it takes")
    return _number(kind.name, entry, "for_s", "how long in seconds", 0.0, LONGEST_S)


def _target(kind: Kind, chosen: Selection, atlas: Atlas, one_way: bool) -> Target:
    for given, key in ((chosen.to, "to"), (one_way, "one_way")):
        if given and kind.acts_on != "sides":
            raise FaultProblem(f"{kind.name}: {key}: only partitions have two sides")
    if chosen.parts and kind.acts_on != "parts":
        raise FaultProblem(f"{kind.name}: acts on {_ACTS_ON[kind.acts_on]}, not on parts of the run")
    match kind.acts_on:
        case "links":
            return links_of(chosen, atlas, one_way=kind.one_way)
        case "across":
            return across_of(chosen, atlas)
        case "nodes":
            return nodes_of(chosen, atlas)
        case "satellites":
            return satellites_of(chosen, atlas)
        case "places":
            return places_of(chosen, atlas, bare=kind.bare)
        case "sides":
            return sides_of(chosen, atlas, one_way=one_way)
        case "parts":
            return parts_of(chosen)


def kind_called(name: object) -> Kind:
    """Raises FaultProblem."""
    if isinstance(name, str) and name in KINDS:
        return KINDS[name]
    near = closest(name, KINDS) if isinstance(name, str) else None
    known = ", ".join(KINDS)
    raise FaultProblem(f"no kind of fault is called {str(name)[:80]!r}: {near or f'there are {known}'}")


def _words(kind: str, entry: Mapping[str, Any], key: str) -> tuple[str, ...]:
    words = entry.get(key, [])
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise FaultProblem(f"{kind}: {key}: expected a list of names")
    return tuple(words)


def _flag(kind: str, entry: Mapping[str, Any], key: str) -> bool:
    value = entry.get(key, False)
    if not isinstance(value, bool):
        raise FaultProblem(f"{kind}: {key}: expected true or false")
    return value


def _number(kind: str, entry: Mapping[str, Any], key: str, text: str, above: float, most: float) -> float:
    value = entry.get(key)
    wrong = f"{kind}: {key}: expected {text}, above {above:g} and at most {most:,.12g}"
    if value is None:
        raise FaultProblem(wrong)
    if isinstance(value, bool) or not isinstance(value, int | float) or not above < value <= most:
        raise FaultProblem(f"{wrong}, found {str(value)[:80]}")
    return float(value)
