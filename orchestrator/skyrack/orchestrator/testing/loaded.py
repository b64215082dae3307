"""What the result of a load says, in figures that tests want."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def slowest_recovery_s(result: Mapping[str, Any]) -> float:
    """The longest that anybody waited for an answer after a fault was over, seconds; 0 where nobody did.

    `result`: of `Constellation.load`. A fault that has no end of its own is over at once. A client that was never answered
    again is left out: the history says so, and no time can.
    """
    history = result["history"]
    return max((took_s for row in history["recovery"] for took_s in _took_s(row)), default=0.0)


def _took_s(row: Mapping[str, Any]) -> Iterator[float]:
    if row["kind"] != "injected":
        return
    lasted_s = 0.0 if row["ended_s"] is None else row["ended_s"] - row["began_s"]
    for outage in (row["overall"], *row["nodes"].values()):
        if outage is not None and outage["recovered_after_s"] is not None:
            yield max(0.0, outage["recovered_after_s"] - lasted_s)
