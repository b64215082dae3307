"""result.json: what a run proves, for programs. The shape is a contract: keys may be added, never changed."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from skyrack.orchestrator.measure.counters import FabricFigures
from skyrack.orchestrator.measure.fidelity import Fidelity
from skyrack.orchestrator.measure.host import HostSummary
from skyrack.orchestrator.measure.operations import Operation, by_node, counts, latencies
from skyrack.orchestrator.measure.verdict import Decision

_PUBLISHED = ("median_s", "p99_s", "within_500us_ratio", "false_outages", "packets")


def build(
    decision: Decision,
    operations: Sequence[Operation],
    fidelity: Fidelity,
    host: HostSummary,
    fabric: FabricFigures,
    run: Mapping[str, Any],
    convergence: Sequence[Mapping[str, Any]] = (),
    history: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The result as JSON values. `run` says what was run: scenario, times, workload, faults.

    `convergence`: the events of that name meanwhile. `history`: what the history proves, None where it was not judged.
    """
    figures = asdict(fidelity)
    return {
        "verdict": decision.verdict.value,
        "checks": [asdict(check) for check in decision.checks],
        "ops": counts(operations),
        "latency_s": latencies(operations),
        "refused": sum(operation.refused for operation in operations),
        "nodes": by_node(operations),
        "history": None if history is None else dict(history),
        "fidelity": {name: figures[name] for name in _PUBLISHED},
        "reasons": list(decision.reasons),
        "probes": {name: value for name, value in figures.items() if name not in _PUBLISHED},
        "host": asdict(host),
        "fabric": {**asdict(fabric), "ordered_drops": fabric.ordered_drops},
        "convergence": [dict(event) for event in convergence],
        "run": dict(run),
    }


def dump(document: Mapping[str, Any]) -> str:
    """As strict JSON: infinity, which JSON does not have, becomes null."""
    return json.dumps(_finite(document), indent=2, allow_nan=False) + "\n"


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value
