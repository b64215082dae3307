"""What a rolling upgrade does next: which nodes, whether one is well, and what goes back to what. Pure.

nodes that run another version --at_once at a time--> new version there --well?--> the next ones
                                                                         '-- no --> every node that has it goes back
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Health = Literal["wait", "well", "ill"]
_GOOD = ("ready", "finished")
_BAD = ("failed", "waiting")


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen of a service at a node since it was changed: since when (real seconds) it has been good, if it is."""

    good_since_s: float | None = None


def due(rows: Sequence[Mapping[str, Any]], nodes: Sequence[str], version: int) -> list[str]:
    """Of `nodes` those that run another version, in the order of `rows`: the service's entries as the API has them."""
    return [row["node"] for row in rows if row["node"] in nodes and row["version"] != version]


def batches(nodes: Sequence[str], at_once: int) -> list[list[str]]:
    """So many at a time, in order."""
    return [list(nodes[first : first + at_once]) for first in range(0, len(nodes), at_once)]


def judge(
    row: Mapping[str, Any], seen: Seen, now_s: float, deadline_s: float, watch_s: float
) -> tuple[Health, str, Seen]:
    """Whether a changed service is well, why not, and what has been seen now.

    Well is who is ready and stays so for `watch_s`; ill who has ended, was started again, is ready no more, or is not by
    `deadline_s`.
    """
    phase, reason = row["phase"], row["reason"]
    if phase in _BAD:
        return "ill", reason or phase, seen
    if row["restarts"]:
        return "ill", reason or "it ended and was started again", seen
    if phase in _GOOD:
        since_s = now_s if seen.good_since_s is None else seen.good_since_s
        return "well" if now_s - since_s >= watch_s else "wait", "", Seen(since_s)
    if seen.good_since_s is not None:
        return "ill", f"ready no more: {reason or phase}", seen
    if now_s > deadline_s:
        return "ill", f"not ready in time: {reason or phase}", seen
    return "wait", reason or phase, seen


def to_roll_back(rows: Sequence[Mapping[str, Any]], version: int) -> dict[str, int]:
    """Every node that has the version, and the one it had before; a mixture is nobody's wish."""
    return {
        row["node"]: row["previous_version"]
        for row in rows
        if row["version"] == version and row["previous_version"]
    }
