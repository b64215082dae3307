"""Faults as one word each, for commands that break things by a timetable of their own.

    KIND:TARGET[:VALUE]@BEGIN[+DURATION]     kill:p3s07@20s   latency:p3s07-p3s08:200ms@20s+30s   dark:p3@1m   loss:london:5%@0s

A target is a link (A-B, or A>B for one direction), a node or a plane; several with commas between.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from skyrack.orchestrator.cli.exits import USAGE, Problem
from skyrack.orchestrator.cli.fault import parse_rate_bps, parse_ratio
from skyrack.orchestrator.cli.times import parse_span_s

KILL: Final = "kill"
EXPECTED: Final = "kill:NODE@TIME or KIND:TARGET[:VALUE]@TIME[+DURATION]"
_WORD = re.compile(
    r"(?P<kind>[^:@]+):(?P<target>[^:@]+)(?::(?P<value>[^:@]+))?@(?P<at>[^+]+)(?:\+(?P<span>.+))?"
)
_VALUES: Final[dict[str, tuple[str, Callable[[str], float]]]] = {
    "latency": ("extra_s", parse_span_s),
    "rate": ("rate_bps", parse_rate_bps),
    "loss": ("loss_ratio", parse_ratio),
}
_VALUELESS: Final = ("down", "dark")


@dataclass(frozen=True, slots=True)
class Timed:
    """A fault that begins `at_s` from the start: the node to kill, or an entry of a request to /v1/faults."""

    at_s: float
    node: str
    entry: dict[str, Any]


def parse_fault(word: str, names: Sequence[str]) -> Timed:
    """What the word means where nodes have these names. Raises Problem."""
    match = _WORD.fullmatch(word.strip())
    if match is None:
        raise Problem(
            f"--fault {word!r}: expected {EXPECTED}",
            hint="for instance kill:p3s07@20s or latency:p3s07-p3s08:200ms@20s+30s",
            status=USAGE,
        )
    kind, value, span = match["kind"], match["value"], match["span"]
    known = (KILL, *_VALUES, *_VALUELESS)
    if kind not in known:
        raise Problem(f"--fault {word!r}: the kinds are {', '.join(known)}", status=USAGE)
    if (value is None) is (kind in _VALUES):
        example = {"latency": "200ms", "rate": "10Mbit", "loss": "5%"}.get(kind)
        wanted = f"needs a value, as in {kind}:TARGET:{example}@20s" if example else "has no value"
        raise Problem(f"--fault {word!r}: {kind} {wanted}", status=USAGE)
    at_s = parse_span_s(match["at"])
    if kind == KILL:
        if span is not None:
            raise Problem(f"--fault {word!r}: who is killed stays so until he is started again", status=USAGE)
        return Timed(at_s, match["target"], {})
    entry: dict[str, Any] = {"kind": kind, **_selection(match["target"].split(","), names)}
    if value is not None:
        key, parse = _VALUES[kind]
        entry[key] = parse(value)
    if span is not None:
        entry["for_s"] = parse_span_s(span)
    return Timed(at_s, "", entry)


def _selection(targets: Sequence[str], names: Sequence[str]) -> dict[str, list[str]]:
    known = frozenset(names)
    chosen: dict[str, list[str]] = {}
    for target in targets:
        if target in known:
            what = "nodes"
        elif any(name.startswith(f"{target}s") for name in names):
            what = "planes"
        else:
            what = "links"
        chosen.setdefault(what, []).append(target)
    return chosen
