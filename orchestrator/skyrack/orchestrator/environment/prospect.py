"""What surrounds a satellite at an instant, and what comes next: records for people and programs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from skyrack.orchestrator.environment.countries import countries_at
from skyrack.orchestrator.environment.eclipses import eclipses
from skyrack.orchestrator.environment.gateways import gateway_passes
from skyrack.orchestrator.environment.passes import Passes
from skyrack.orchestrator.environment.stays import Stay, united
from skyrack.orchestrator.environment.truth import Truth
from skyrack.orchestrator.orbit.times import iso_utc
from skyrack.orchestrator.topology.geometry import Geometry

AHEAD_S = 43_200.0  # a low orbit is not over the anomaly for up to 9 h
BACK_S = 5_400.0  # longer than any stay in the shadow


def prospect(
    geometry: Geometry, passes: Passes, node: int, truth: Truth, ordered: Sequence[Stay] = ()
) -> dict[str, Any]:
    """A satellite at the instant of `truth`. Its `eclipse` and passes are on or come next; None: not within AHEAD_S.

    `ordered`: stays over the anomaly beside those of its orbit.
    """
    first_s, last_s = _span(truth.t_s)
    over = united(passes.of(node, first_s, last_s), [(a, min(b, last_s)) for a, b in ordered if a < last_s])
    return {
        "node": geometry.names[node],
        "lit": bool(truth.lit[node]),
        "eclipse": _next(eclipses(geometry, node, *_span(truth.t_s)), truth.t_s),
        "beta_deg": float(truth.beta_deg[node]),
        "in_anomaly": bool(truth.in_anomaly[node]),
        "anomaly_pass": _next(over, truth.t_s),
        "gateway_pass": _next_gateway(geometry, node, truth.t_s),
        "lat_deg": float(truth.lat_deg[node]),
        "lon_deg": float(truth.lon_deg[node]),
        "altitude_km": float(truth.altitude_km[node]),
        "country": str(countries_at(truth.lat_deg[node], truth.lon_deg[node])),
        "storm_factor": float(truth.storm_factor[node]),
    }


def answer(geometry: Geometry, t_s: float, nodes: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The records of several satellites at `t_s`, with what they have in common."""
    return {
        "start": iso_utc(geometry.start),
        "t_s": t_s,
        "time": iso_utc(geometry.start + timedelta(seconds=t_s)),
        "ahead_s": AHEAD_S,
        "nodes": list(nodes),
    }


def _next_gateway(geometry: Geometry, node: int, t_s: float) -> dict[str, Any] | None:
    passes = gateway_passes(geometry, node, *_span(t_s))
    return next(
        (
            {"station": station, "start_t_s": start_s, "end_t_s": end_s}
            for station, (start_s, end_s) in passes
            if end_s > t_s
        ),
        None,
    )


def _span(t_s: float) -> tuple[float, float]:
    return t_s - BACK_S, t_s + AHEAD_S


def _next(stays: Iterable[Stay], t_s: float) -> dict[str, float] | None:
    return next(({"start_t_s": start_s, "end_t_s": end_s} for start_s, end_s in stays if end_s > t_s), None)
