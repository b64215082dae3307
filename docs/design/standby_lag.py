"""Verdict: what a standby in orbit shows is one way old, and the primary knows a round trip later; PostgreSQL adds 2 to 3 ms.

The scenario is deploy/scenarios/postgresql.yaml: a primary in London streams to a standby on a satellite. Two observers, one
at each end, stamp the same rows with one clock (docs/recipes/postgresql_lag.py); pings beside them give the computed round
trip of the way in force at each second. What a reader on the satellite sees is as old as light makes it, one way; `replay_lag`
of pg_stat_replication is a round trip, because the primary has to be told. Both step when London takes another satellite.

To draw docs/images/postgresql_lag.svg:
    skyrack up -d deploy/scenarios/postgresql.yaml
    skyrack exec london -- python docs/recipes/postgresql_lag.py beat --for 480 london > beats.jsonl &
    skyrack exec p2s02 -- python docs/recipes/postgresql_lag.py watch --for 480 p2s02 > seen.jsonl &
    skyrack ping london p2s02 -c 480 -i 1s -o json > pings.json
    python docs/design/standby_lag.py beats.jsonl seen.jsonl pings.json
"""

from __future__ import annotations

import json
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from skyrack.orchestrator.report.svg import Chart

IMAGE = Path(__file__).parents[1] / "images" / "postgresql_lag.svg"
ADDED_MS = (0.0, 5.0)  # in the middle, beyond light; looking every 2 ms is part of it
STYLE = (
    "svg{background:#fff;font:12px sans-serif}.grid{stroke:#ddd}.axis{stroke:#444}.tick,.label{fill:#444}"
    ".dots{stroke-linecap:round;fill:none}.seen{stroke:#1864ab}.replay{stroke:#2b8a3e}.line{stroke:#c92a2a;fill:none}"
)

Floats = NDArray[np.float64]


def read(path: Path) -> list[dict[str, float | None]]:
    """The lines."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def draw(seen: Floats, replay: Floats, computed: Floats) -> str:
    """All (n, 2): seconds, ms. Computed is the round trip."""
    chart = Chart(
        "How far a standby in orbit is behind",
        (float(computed[0, 0]), float(computed[-1, 0])),
        (0, 100),
        "time, s",
        "ms; lines: computed",
    )
    chart.dots([(x, y) for x, y in seen.tolist()], "seen", 1.2)
    chart.dots([(x, y) for x, y in replay.tolist()], "replay", 1.6)
    for share in (0.5, 1.0):
        chart.line([(x, share * y) for x, y in computed.tolist()], "computed")
    svg = chart.render().replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)
    return svg.replace(">", f"><style>{STYLE}</style>", 1)


def told(what: str, measured: Floats, computed: Floats, share: float) -> float:
    """Print how much more than light it is; the median, ms."""
    more = measured[:, 1] - share * np.interp(measured[:, 0], computed[:, 0], computed[:, 1])
    low, middle, high = np.percentile(more, [1, 50, 99])
    print(
        f"{what:34} {len(more):5}   more than computed, ms: p1 {low:.2f}, median {middle:.2f}, p99 {high:.2f}"
    )
    return float(middle)


def main(beats: Path, seen: Path, pings: Path) -> None:
    committed = {row["id"]: row["t_s"] for row in read(beats) if "id" in row}
    pairs = [(committed[row["id"]], row["t_s"]) for row in read(seen) if row["id"] in committed]
    shown = np.array([(at, 1e3 * (then - at)) for at, then in pairs], dtype=np.float64)
    replay = np.array(
        [(r["t_s"], r["replay_ms"]) for r in read(beats) if r.get("replay_ms")], dtype=np.float64
    )
    probes = [probe for probe in json.loads(pings.read_text())["probes"] if probe["computed_ms"] is not None]
    computed = np.array([(probe["t_s"], probe["computed_ms"]) for probe in probes], dtype=np.float64)
    paths = [probe["path"] for probe in probes]
    changes = sum(one != other for one, other in pairwise(paths))
    low_ms, high_ms = computed[:, 1].min(), computed[:, 1].max()
    print(f"{len(probes)} s, round trip {low_ms:.2f} to {high_ms:.2f} ms, {changes} changes of the way")
    for what, measured, share in (
        ("rows seen at the standby, one way", shown, 0.5),
        ("replay_lag at the primary, both", replay, 1.0),
    ):
        assert ADDED_MS[0] < told(what, measured, computed, share) < ADDED_MS[1], "the verdict is out of date"
    IMAGE.write_text(draw(shown[::4], replay, computed))
    print(IMAGE)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
