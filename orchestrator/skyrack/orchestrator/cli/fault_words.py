"""Faults as one word each, for commands that break things by a timetable of their own.

    KIND:TARGET[:VALUE[,VALUE]]@BEGIN[+DURATION]

    kill:p3s07@20s   kill:p3s07/etcd@20s   dark:p3@1m   loss:london:5%@0s   latency:p3s07-p3s08:200ms@20s+30s
    partition:p3s07,p4s02@20s+10s   partition:p3s07>rest@20s   partition:A,B|C,D@20s   end:fabric@20s

A target is a link (A-B, or A>B for one direction), a node, NODE/SERVICE, a plane or a selector; several with commas between.
What the values mean is the kind's to say: `skyrack fault kinds`. A partition has two sides, with | between, or > for what goes
one way; `rest`, or nothing, is everybody else.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from skyrack.orchestrator.cli.exits import USAGE, Problem
from skyrack.orchestrator.cli.fault_values import parse_value
from skyrack.orchestrator.cli.times import parse_span_s
from skyrack.orchestrator.faults.kinds import KINDS, Kind
from skyrack.orchestrator.faults.selectors import is_selector
from skyrack.orchestrator.spelling import closest

EXPECTED: Final = "KIND:TARGET[:VALUE]@TIME[+DURATION]"
REST: Final = "rest"
_WORD = re.compile(r"(?P<kind>[^:@]+):(?P<rest>[^@]+)@(?P<at>[^+@]+)(?:\+(?P<span>.+))?")
_CIRCLE_PARTS = 3  # circle:LATITUDE,LONGITUDE,RADIUS has commas of its own


@dataclass(frozen=True, slots=True)
class Timed:
    """A fault that begins `at_s` from the start, as an entry of a request to /v1/faults."""

    at_s: float
    entry: dict[str, Any]


def parse_fault(word: str, names: Sequence[str]) -> Timed:
    """What the word means where nodes have these names. Raises Problem, which says the word."""
    try:
        return _parsed(word, names)
    except Problem as problem:
        if str(problem).startswith("--fault "):
            raise
        raise Problem(f"--fault {word!r}: {problem}", hint=problem.hint, status=USAGE) from problem


def _parsed(word: str, names: Sequence[str]) -> Timed:
    match = _WORD.fullmatch(word.strip())
    if match is None:
        raise Problem(
            f"--fault {word!r}: expected {EXPECTED}",
            hint="for instance kill:p3s07@20s or latency:p3s07-p3s08:200ms@20s+30s",
            status=USAGE,
        )
    kind = KINDS.get(match["kind"])
    if kind is None:
        near = closest(match["kind"], KINDS) or f"the kinds are {', '.join(KINDS)}"
        raise Problem(f"--fault {word!r}: no kind of fault is called {match['kind']!r}: {near}", status=USAGE)
    target, values = _values(word, kind, match["rest"])
    entry: dict[str, Any] = {"kind": kind.name, **_selection(kind, target, names), **values}
    if match["span"] is not None:
        if not kind.timed:
            why = "is done at once and does not last" if kind.at_once else "takes as long as its stages do"
            raise Problem(f"--fault {word!r}: {kind.name} {why}", status=USAGE)
        entry["for_s"] = parse_span_s(match["span"])
    return Timed(parse_span_s(match["at"]), entry)


def targets(text: str) -> list[str]:
    """Words with commas between, but for the commas within a circle."""
    words: list[str] = []
    open_parts = 0
    for part in text.split(","):
        if open_parts:
            words[-1] += f",{part}"
            open_parts -= 1
        else:
            words.append(part)
            open_parts = _CIRCLE_PARTS - 1 if "circle:" in part else 0
    return words


def _values(word: str, kind: Kind, rest: str) -> tuple[str, dict[str, float]]:
    """The target, and what the kind's parameters are to be. Raises Problem."""
    needed = [parameter for parameter in kind.parameters if parameter.needed]
    if not needed:
        return rest, {}
    target, colon, text = rest.rpartition(":")
    given = text.split(",") if colon else []
    if len(given) < len(needed) or len(given) > len(kind.parameters):
        example = ",".join(parameter.shown for parameter in needed)
        raise Problem(
            f"--fault {word!r}: {kind.name} needs a value, as in {kind.name}:TARGET:{example}@20s",
            status=USAGE,
        )
    pairs = zip(kind.parameters, given, strict=False)
    return target, {parameter.key: parse_value(parameter, one) for parameter, one in pairs}


def _selection(kind: Kind, target: str, names: Sequence[str]) -> dict[str, Any]:
    if kind.acts_on == "parts":
        return {"parts": targets(target)}
    if kind.acts_on == "sides":
        return _sides(target, names)
    return _sorted(targets(target), names, links=kind.acts_on == "links")


def _sides(target: str, names: Sequence[str]) -> dict[str, Any]:
    one_way = ">" in target
    side, _, other = target.partition(">" if one_way else "|")
    chosen: dict[str, Any] = _sorted(targets(side), names, links=False)
    if other and other != REST:
        chosen["to"] = [f"plane:{name}" if _is_plane(name, names) else name for name in targets(other)]
    if one_way:
        chosen["one_way"] = True
    return chosen


def _sorted(words: Sequence[str], names: Sequence[str], *, links: bool) -> dict[str, list[str]]:
    """The words by what they name; where links are broken, what is nothing else is one."""
    chosen: dict[str, list[str]] = {}
    for word in words:
        if word in names or is_selector(word) or (not links and not _is_plane(word, names)):
            what = "nodes"
        else:
            what = "planes" if _is_plane(word, names) else "links"
        chosen.setdefault(what, []).append(word)
    return chosen


def _is_plane(word: str, names: Sequence[str]) -> bool:
    return word not in names and any(name.startswith(f"{word}s") for name in names)
