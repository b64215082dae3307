"""What is drawn hits no satellite that is not in service, and whether one is changes nothing for all others."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from skyrack.orchestrator.environment.absences import Absences
from skyrack.orchestrator.environment.passes import Passes, PassSource
from skyrack.orchestrator.faults.gone import Gone
from skyrack.orchestrator.faults.ledger import Ledger
from skyrack.orchestrator.faults.lot import Lot
from skyrack.orchestrator.faults.request import read_draft
from skyrack.orchestrator.routing.plan import occurrence_records
from skyrack.orchestrator.scenario import load_scenario
from skyrack.orchestrator.topology.atlas import atlas_of
from skyrack.orchestrator.topology.geometry import Geometry

SPAN_S = 40_000.0
PLAIN = """
version: 1
name: absences
extends: iridium
inhabited: [p0s00, p1s00, p2s00, p3s00]
speed: 60
radiation: {rates: {hang_per_day: 60, sefi_per_day: 60%s}}
"""
LIFE = """
lifecycle: {launches: [{name: late, satellites: [p1s00], at_s: 3000, commissioning_s: 7000}]}
faults:
  schedule:
    - {kind: lost, nodes: [p2s00], at_s: 200}
    - {kind: repair, nodes: [p2s00], at_s: 250, travel_t_s: 3000, visit_t_s: 1000}
    - {kind: retire, nodes: [p3s00], at_s: 300, drain_s: 10, deorbit_t_s: 600}
"""
# Until when each is away and from when on, orbit seconds: repaired at 15000 + 4000, dark 10 s x 60 and 600 s after 18000.
AWAY = {
    "p0s00": (),
    "p1s00": ((-math.inf, 10_000.0),),
    "p2s00": ((12_000.0, 19_000.0),),
    "p3s00": ((19_200.0, math.inf),),
}


IN_SERVICE = {
    "p0s00": ((-math.inf, math.inf),),
    "p1s00": ((10_000.0, math.inf),),
    "p2s00": ((-math.inf, 12_000.0), (19_000.0, math.inf)),
    "p3s00": ((-math.inf, 19_200.0),),
}


def geometry_of(directory: Path, text: str) -> Geometry:
    path = directory / "skyrack.yaml"
    path.write_text(text)
    return Geometry(load_scenario(str(path)))


def hits(directory: Path, text: str) -> list[dict[str, Any]]:
    """What radiation does to whom, by the plan."""
    geometry = geometry_of(directory, text)
    records = occurrence_records(geometry, Passes(geometry), SPAN_S)
    return [one for one in records if str(one["cause"]).startswith("radiation")]


def stays(directory: Path, text: str) -> list[tuple[str, float, float]]:
    """Who is over the anomaly from when until when, orbit seconds, by the plan."""
    geometry = geometry_of(directory, text)
    records = occurrence_records(geometry, Passes(geometry), SPAN_S)
    return [
        (one["nodes"][0], one["t_s"], one["t_s"] + one["for_s"] * geometry.scenario.speed)
        for one in records
        if one["kind"] == "saa"
    ]


def is_away(one: Mapping[str, Any]) -> bool:
    return any(first_s <= one["t_s"] < last_s for first_s, last_s in AWAY[one["nodes"][0]])


def test_who_is_not_launched_yet_lost_or_retired_is_not_hit_and_all_others_are_as_ever(
    tmp_path: Path,
) -> None:
    plain = hits(tmp_path, PLAIN % "")
    assert sum(map(is_away, plain)) > 20
    assert hits(tmp_path, PLAIN % "" + LIFE) == [one for one in plain if not is_away(one)]


def test_stays_over_the_anomaly_are_of_satellites_in_service_and_cut_where_service_is(tmp_path: Path) -> None:
    plain = stays(tmp_path, PLAIN % "")
    there = [
        (name, max(begin_s, first_s), min(end_s, last_s))
        for name, begin_s, end_s in plain
        for first_s, last_s in IN_SERVICE[name]
        if begin_s < last_s and end_s > first_s
    ]
    assert 0 < len(there) < len(plain)
    found = stays(tmp_path, PLAIN % "" + LIFE)
    assert sorted(name for name, _, _ in found) == sorted(name for name, _, _ in there)
    for one, other in zip(sorted(found), sorted(there), strict=True):
        assert one[1:] == pytest.approx(other[1:], abs=0.01)


def test_stays_are_counted_as_they_are_drawn_where_satellites_are_away(tmp_path: Path) -> None:
    geometry = geometry_of(tmp_path, PLAIN % "")
    passes = Passes(geometry)
    (first, *_), last_s = passes.of(0, 10_000.0, 400_000.0), 400_000.0
    middle_s = (first[0] + first[1]) / 2
    absences = Absences(None, {0: [(0.0, middle_s), (100_000.0, 300_000.0)], 1: [(50_000.0, math.inf)]})
    source = PassSource(passes, range(3), geometry.names, lambda: absences)
    begun = source.between(0.0, last_s)
    assert middle_s == pytest.approx(
        min(one.t_s for one in begun if one.entry["nodes"] == ["p0s00"]), abs=1e-3
    )
    assert source.count(0.0, last_s).total() == len(begun)
    assert source.under_way(middle_s + 1.0)
    assert not [one for one in source.under_way(middle_s - 1.0) if one.entry["nodes"] == ["p0s00"]]


def test_who_is_lost_to_a_particle_is_hit_by_none_any_more(tmp_path: Path) -> None:
    found = hits(tmp_path, PLAIN % ", permanent_per_year: 2000")
    lost_s = {one["nodes"][0]: one["t_s"] for one in reversed(found) if one["kind"] == "lost"}
    assert lost_s
    assert sum(one["kind"] == "lost" for one in found) == len(lost_s), "nobody is lost twice"
    for one in found:
        assert one["t_s"] <= lost_s.get(one["nodes"][0], math.inf)


def test_spans_follow_the_ledger_through_loss_repair_and_removal(tmp_path: Path) -> None:
    geometry = geometry_of(tmp_path, PLAIN % "")
    ledger, gone = Ledger(), Gone()

    def add(entry: Mapping[str, Any], since_s: float) -> str:
        return ledger.add(read_draft(entry, atlas_of(geometry), Lot(1)), since_s).id

    def follow(until_s: float) -> int:
        changes = 0
        while (at_s := ledger.next_s()) <= until_s:
            ledger.step()
            changes += gone.follow(ledger.begun, at_s)
        return changes

    first = add({"kind": "lost", "nodes": ["p0s00", "p1s00"]}, 10.0)
    add({"kind": "dark", "nodes": ["p2s00"]}, 11.0)
    add({"kind": "repair", "nodes": ["p1s00"], "travel_t_s": 5, "visit_t_s": 5}, 20.0)
    assert follow(40.0) == 2
    zero, one = geometry.index_of("p0s00"), geometry.index_of("p1s00")
    assert gone.now == {zero: "lost"}
    assert gone.spans == {
        zero: ((math.nextafter(10.0, math.inf), math.inf),),
        one: ((math.nextafter(10.0, math.inf), 30.0),),
    }
    ledger.end(first, 50.0)
    assert follow(60.0) == 1
    assert (gone.now, gone.spans[zero][0][1]) == ({}, 50.0)


@pytest.mark.parametrize(
    ("t_s", "away"), [(-5.0, True), (9.0, True), (10.0, False), (30.0, True), (40.0, False)]
)
def test_one_is_away_until_its_launch_has_brought_it_and_while_it_is_gone(t_s: float, away: bool) -> None:
    assert Absences(np.array([10.0]), {0: [(30.0, 40.0)]}).at(0, t_s) is away
