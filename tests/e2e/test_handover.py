"""Planned handovers of stations with one antenna: what is lost is what was computed to be lost, or nothing is."""

from __future__ import annotations

import statistics
from typing import Any

import numpy as np
import pytest

from skyrack.orchestrator.measure.fidelity import HELD_UP
from skyrack.orchestrator.runtime.oracle import GUARD
from skyrack.orchestrator.scenario import load_scenario
from skyrack.orchestrator.topology.geometry import Geometry

from .place import Place
from .probing import Probed, probe

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
PROBES, INTERVAL_S = 1800, 0.01


@pytest.mark.parametrize("mode", ["make-before-break", "break-before-make"])
def test_what_planned_handovers_lose_is_what_was_computed(place: Place, mode: str) -> None:
    place.scenario.write_text(SCENARIO % mode)
    place.up()
    probes: list[Probed] = []
    handovers: list[dict[str, Any]] = []
    flights = 0
    while len(handovers) < 2:  # a host that cannot compute epochs of 3 s in time skips some
        flight = probe(place, "new-york", PROBES, INTERVAL_S)
        flights += 1
        probes += flight.probes
        handovers += [
            event
            for event in place.events()
            if event["event"] == "handover" and flight.start_s < event["run_s"] < flight.end_s
        ]
    # What the host kept waiting met what came later: it is not judged, and named.
    judged = [one for one in probes if one.reason not in (GUARD, HELD_UP)]
    lost = [one for one in judged if one.lost]
    guarded = sum(one.reason == GUARD for one in probes)
    if mode == "make-before-break":
        assert lost == []
        assert guarded == 0
        assert {one.reason for one in judged} <= {None}
        return
    assert guarded <= 0.03 * PROBES * flights, "those at the edges of the gaps are not judged, and no others"
    assert [one for one in judged if one.lost != (one.reason is not None)] == []
    assert {one.reason for one in judged} <= {None, "no route in force"}
    if len(probes) > 0.97 * PROBES * flights and HELD_UP not in {one.reason for one in probes}:
        assert len(lost) > 10 * len(handovers), "215 ms of each gap, at 100 a second"


def test_boundaries_disturb_ground_links_and_nothing_is_disturbed_between_them(place: Place) -> None:
    keys = "disturbance_loss_ratio: 0.2, disturbance_extra_ms: 20, epoch_s: 3, epoch_offset_s: 0"
    place.scenario.write_text(f"extends: iridium\nname: small\ninhabited: {{count: 1}}\nlinks: {{{keys}}}\n")
    place.up()
    flight = probe(place, "tokyo", 2000, 0.005)
    disturbance = Geometry(load_scenario(place.scenario)).disturbance
    assert disturbance is not None
    slow, calm = [], []
    for one in flight.probes:
        assert one.computed_s is not None
        under_way_s = np.linspace(one.t_s - 0.01, one.t_s + one.computed_s + 0.01, 200)
        if disturbance.holds(one.t_s):
            slow.append(one)  # its way up at least
        elif not disturbance.holds(under_way_s).any():
            calm.append(one)
    assert [one for one in calm if one.lost and one.reason is None] == []
    # What was held up over the end of a disturbance is not slowed down by it, and so may be earlier.
    assert min((one.error_s for one in calm if not one.lost), default=0.0) > -1e-5, "earlier than computed"
    for probed in (slow, calm):
        undisturbed = [
            one.error_s
            for one in probed
            if not one.lost and flight.quiet.covers(one.t_s, one.t_s + (one.measured_s or 0.0))
        ]
        if len(undisturbed) > 20:
            assert statistics.median(undisturbed) < 1e-3, "what is measured is as slow as what is computed"
    if min(len(slow), len(calm)) > 100:  # where the host let them leave when they were to
        share = sum(one.lost for one in slow) / len(slow)
        assert 0.1 < share < 0.7, "a fifth on each of two to four ground links"
    if slow and calm:
        assert (slow[0].computed_s or 0.0) - (calm[0].computed_s or 0.0) > 0.018
