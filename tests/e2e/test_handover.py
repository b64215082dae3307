"""Planned handovers of stations with one antenna: what is lost is what was computed to be lost, or nothing is."""

from __future__ import annotations

import json
import statistics
from typing import Any

import numpy as np
import pytest

from skyrack.orchestrator.runtime.oracle import GUARD
from skyrack.orchestrator.scenario import load_scenario
from skyrack.orchestrator.topology.geometry import Geometry

from .place import Place

pytestmark = pytest.mark.mesh

# Short epochs, and a policy that changes its mind often, so that a short look has several handovers.
SCENARIO = """\
version: 1
name: small
extends: starlink-shell1
ground: [london, new-york]
inhabited: {count: 1}
links: {antennas: 1, selection: longest-remaining, epoch_s: 3, epoch_offset_s: 0, handover: %s}
"""
PROBES = 1800  # 18 s
PATIENCE_S = 180.0  # the constellation is large


@pytest.mark.parametrize("mode", ["make-before-break", "break-before-make"])
def test_what_planned_handovers_lose_is_what_was_computed(place: Place, mode: str) -> None:
    place.scenario.write_text(SCENARIO % mode)
    place.up()
    words = ("ping", "london", "new-york", "-c", PROBES, "-i", "10ms", "-o", "json")
    ping = place.skyrack(*words, timeout_s=PATIENCE_S).expect()
    probes: list[dict[str, Any]] = json.loads(ping.out)["probes"]
    first_s, last_s = probes[0]["t_s"], probes[-1]["t_s"]
    handovers = [
        event
        for event in place.events()
        if event["event"] == "handover" and first_s < event["run_s"] < last_s
    ]
    assert len(handovers) >= 2
    lost = [probe for probe in probes if probe["measured_ms"] is None]
    if mode == "make-before-break":
        assert lost == []
        assert {probe["reason"] for probe in probes} == {None}
        return
    judged = [probe for probe in probes if probe["reason"] != GUARD]
    assert len(judged) > 0.97 * PROBES, "those at the edges of the gaps are not"
    assert [
        probe for probe in judged if (probe["measured_ms"] is None) != (probe["reason"] is not None)
    ] == []
    assert {probe["reason"] for probe in judged} == {None, "no route in force"}
    assert len(lost) > 10 * len(handovers), "215 ms of each gap, at 100 a second"


def test_boundaries_disturb_ground_links_and_nothing_is_disturbed_between_them(place: Place) -> None:
    keys = "disturbance_loss_ratio: 0.2, disturbance_extra_ms: 20, epoch_s: 3, epoch_offset_s: 0"
    place.scenario.write_text(f"extends: iridium\nname: small\ninhabited: {{count: 1}}\nlinks: {{{keys}}}\n")
    place.up()
    ping = place.skyrack("ping", "london", "tokyo", "-c", 2000, "-i", "5ms", "-o", "json").expect()
    probes: list[dict[str, Any]] = json.loads(ping.out)["probes"]
    disturbance = Geometry(load_scenario(place.scenario)).disturbance
    assert disturbance is not None
    slow, quiet = [], []
    for probe in probes:
        under_way_s = np.linspace(probe["t_s"] - 0.01, probe["t_s"] + probe["computed_ms"] / 1e3 + 0.01, 200)
        if disturbance.holds(probe["t_s"]):
            slow.append(probe)  # its way up at least
        elif not disturbance.holds(under_way_s).any():
            quiet.append(probe)
    answered = [probe for probe in slow if probe["measured_ms"] is not None]
    assert min(len(slow), len(quiet)) > 100
    assert 0.1 < 1.0 - len(answered) / len(slow) < 0.7, "a fifth on each of two to four ground links"
    assert all(probe["measured_ms"] is not None for probe in quiet)
    for probed in (answered, quiet):
        errors_ms = [probe["measured_ms"] - probe["computed_ms"] for probe in probed]
        assert abs(statistics.median(errors_ms)) < 1.0, "what is measured is as slow as what is computed"
    assert slow[0]["computed_ms"] - quiet[0]["computed_ms"] > 18.0
