"""`skyrack path --compare`: the shortest way of each kind beside the others, over time."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from skyrack.orchestrator.cli.console import note, print_table
from skyrack.orchestrator.routing.ideal import WAY_KINDS, WayKind, ideal_path
from skyrack.orchestrator.topology.geometry import Geometry


@dataclass(frozen=True, slots=True)
class Row:
    """One way at one instant; rtt_ms None and no path where there is none."""

    t_s: float
    way: WayKind
    rtt_ms: float | None
    path: list[str]


def compared(geometry: Geometry, a: int, b: int, instants_s: Iterable[float]) -> Iterator[Row]:
    """A row for every kind of way at each instant."""
    for t_s in instants_s:
        for way in WAY_KINDS:
            found = ideal_path(geometry, a, b, t_s, way)
            if found is None:
                yield Row(t_s, way, None, [])
            else:
                yield Row(t_s, way, found[0] * 1e3, [geometry.names[node] for node in found[2]])


def print_compared(rows: Iterable[Row], *, as_csv: bool) -> None:
    """As a table or as CSV."""
    if as_csv:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(["t_s", "way", "rtt_ms", "path"])
        for row in rows:
            rtt = "" if row.rtt_ms is None else f"{row.rtt_ms:.9f}"
            writer.writerow([f"{row.t_s:g}" if row.t_s < 1e6 else row.t_s, row.way, rtt, ">".join(row.path)])
        return
    listed = list(rows)
    cells = [
        [
            f"{row.t_s:g}",
            row.way,
            "-" if row.rtt_ms is None else f"{row.rtt_ms:.3f}",
            " > ".join(row.path) or "none",
        ]
        for row in listed
    ]
    print_table(["T_S", "WAY", "RTT_MS", "PATH"], cells)
    note("space: over lasers, up once and down once; bent-pipe: without lasers; best: over everything")
