"""Sends packet trains along the paths of a run that are slow enough for the host to tell."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from skyrack.orchestrator.measure import train
from skyrack.orchestrator.measure.rate_rows import Crossing, Pair
from skyrack.orchestrator.measure.rate_run import Expect
from skyrack.orchestrator.measure.source import ping_socket
from skyrack.orchestrator.scenario.model.links import QUEUE_S, SMALLEST_QUEUE_BYTES

TRAINS = 3
TOLERANCE = 0.02
_PATIENCE_S = 1.0


class TrainRun:
    """`status`: the run's. `expect`: what a probe of each pair should meet now."""

    def __init__(self, status: Mapping[str, Any], expect: Expect) -> None:
        self._links = status["scenario"]["links"]
        self._mtu: int = status["mtu"]
        self._mesh_dir = Path(status["mesh_dir"])
        self._addresses = {node["name"]: node["address"] for node in status["nodes"]}
        self._expect = expect

    def best(self, pair: Pair) -> Crossing | None:
        """Of a few trains there and back; None where there is no way, or a faster one than packets tell.

        Raises NotThereError.
        """
        a, b = pair
        out, back = self._expect([(a, b), (b, a)])
        if out["rtt_s"] is None or back["rtt_s"] is None:
            return None
        slowest_bps = min(out["slowest_bps"], back["slowest_bps"])
        byte_scale: int = self._links["byte_scale"]
        if slowest_bps / byte_scale > train.MOST_BPS:
            return None
        form = train.shape(slowest_bps / byte_scale, self._mtu, self._queue_bytes(slowest_bps) / byte_scale)
        train_s = form.packets * form.ip_bytes * 8 * byte_scale / slowest_bps
        found = []
        for _ in range(TRAINS):
            with ping_socket(self._mesh_dir, a) as sock:
                arrivals = train.send_train(
                    sock, self._addresses[b], form, out["rtt_s"] + 2 * train_s + _PATIENCE_S
                )
            real_bps = train.dispersion_bps(arrivals, form.ip_bytes)
            measured_bps = None if real_bps is None else real_bps * byte_scale
            note = "" if measured_bps is not None else "no two packets of a train came back"
            found.append(Crossing(tuple(out["path"]), slowest_bps, measured_bps, note, TOLERANCE))
        return min(found, key=lambda one: one.off)

    def _queue_bytes(self, rate_bps: float) -> float:
        """What waits before a link of this rate, in emulated bytes, as the scenario's links have it."""
        return float(self._links["queue_bytes"] or max(SMALLEST_QUEUE_BYTES, rate_bps / 8 * QUEUE_S))
