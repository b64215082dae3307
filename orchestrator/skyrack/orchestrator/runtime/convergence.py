"""What a change of the mesh cost until everybody had heard: the record of one event, in names and seconds after the change."""

from __future__ import annotations

from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skyrack.orchestrator.routing.force_log import ForceLog
from skyrack.orchestrator.routing.paths import path_of
from skyrack.orchestrator.routing.reachability import Fate, Outage, fates, outages
from skyrack.orchestrator.topology.failures import Failures
from skyrack.orchestrator.topology.geometry import Geometry

STEP_S = 0.001
MOST_WALKS = 200_000  # pairs times instants: some 0.2 s
FEWEST_INSTANTS = 20
MOST_ENDS = 100  # beyond, every second or third inhabited node stands for all
NAMED = 1  # paths are long


def pairs_record(
    geometry: Geometry, log: ForceLog, failures: Failures, at_s: float, until_s: float
) -> dict[str, Any]:
    """How the ways between inhabited nodes that live fared from a change at `at_s` to when all had heard.

    `interrupted` pairs worked before; of these `restored` work at the end, after `restored_after_s` each (median and most,
    to one step of `step_s`); `looped` ones were sent round in a circle at some instant. `longest`: some, with the path
    that then holds.
    """
    inhabited = geometry.inhabited[~np.isin(geometry.inhabited, list(failures.nodes))].astype(np.int64)
    ends = inhabited[:: 1 + (len(inhabited) - 1) // MOST_ENDS] if len(inhabited) else inhabited
    if len(ends) < 2:
        return {"among": len(ends), "interrupted": 0}
    step_s, instants_s = _instants_s(len(ends), at_s, until_s)
    history = log.history()
    found = fates(history, geometry.n_nodes, ends, instants_s)
    out = outages(found, at_s)
    after_s = [outage.after_s + outage.lasted_s for outage in out if outage.lasted_s is not None]
    works = (found.fate == Fate.WORKS).sum(axis=(1, 2)) - len(ends)
    return {
        "among": len(ends),
        "working_before": int(works[0]),
        "working_after": int(works[-1]),
        "interrupted": len(out),
        "restored": len(after_s),
        "looped": sum(outage.looped for outage in out),
        "restored_after_s": {
            "median": round(median(after_s), 6) if after_s else None,
            "most": round(max(after_s), 6) if after_s else None,
        },
        "step_s": round(step_s, 6),
        "longest": [_named(geometry, log, outage, until_s) for outage in out[:NAMED]],
    }


def _instants_s(n_ends: int, at_s: float, until_s: float) -> tuple[float, NDArray[np.float64]]:
    """The step, and instants from just before the change to just after the last adoption."""
    most = max(FEWEST_INSTANTS, MOST_WALKS // n_ends**2)
    steps = int(min(most, max(1.0, np.ceil((until_s - at_s) / STEP_S))))
    step_s = (until_s - at_s) / steps
    return step_s, np.concatenate(
        [[at_s - STEP_S], np.linspace(at_s, until_s, steps + 1), [until_s + STEP_S]]
    )


def _named(geometry: Geometry, log: ForceLog, outage: Outage, until_s: float) -> dict[str, Any]:
    names, path = geometry.names, None
    if outage.lasted_s is not None and (epoch := log.epoch_at(until_s + STEP_S)) is not None:
        path = path_of(epoch, outage.a, outage.b)
    return {
        "from": names[outage.a],
        "to": names[outage.b],
        "after_s": round(outage.after_s, 6),
        "lasted_s": None if outage.lasted_s is None else round(outage.lasted_s, 6),
        "path": [names[node] for node in path] if path is not None else None,
    }
