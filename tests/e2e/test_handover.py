"""Planned handovers of stations with one antenna: what is lost is what was computed to be lost, or nothing is."""

from __future__ import annotations

import json
import statistics
from typing import Any

import pytest

from skyrack.orchestrator.runtime.oracle import GUARD

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
PROBES = 3600  # 18 s


@pytest.mark.parametrize("mode", ["make-before-break", "break-before-make"])
def test_what_planned_handovers_lose_is_what_was_computed(place: Place, mode: str) -> None:
    place.scenario.write_text(SCENARIO % mode)
    place.up()
    ping = place.skyrack("ping", "london", "new-york", "-c", PROBES, "-i", "5ms", "-o", "json").expect()
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
    assert len(judged) > 0.98 * PROBES, "those at the edges of the gaps are not"
    assert [
        probe for probe in judged if (probe["measured_ms"] is None) != (probe["reason"] is not None)
    ] == []
    assert {probe["reason"] for probe in judged} == {None, "no route in force"}
    assert len(lost) > 20 * len(handovers), "215 ms of each gap, at 200 a second"


def test_boundaries_disturb_ground_links_and_nothing_is_disturbed_between_them(place: Place) -> None:
    keys = "disturbance_loss_ratio: 0.2, disturbance_extra_ms: 20, epoch_s: 3, epoch_offset_s: 0"
    place.scenario.write_text(f"extends: iridium\nname: small\ninhabited: {{count: 1}}\nlinks: {{{keys}}}\n")
    place.up()
    ping = place.skyrack("ping", "london", "tokyo", "-c", 2000, "-i", "5ms", "-o", "json").expect()
    probes: list[dict[str, Any]] = json.loads(ping.out)["probes"]
    quiet_ms = statistics.median(probe["computed_ms"] for probe in probes)
    slow = [probe for probe in probes if probe["computed_ms"] > quiet_ms + 15.0]
    fast = [probe for probe in probes if probe["computed_ms"] < quiet_ms + 5.0]
    answered = [probe for probe in slow if probe["measured_ms"] is not None]
    # Up and down the ground links of both ends: 215 ms of disturbance, met on the way out, at the far end, on the way back.
    assert 0.215 / 3.0 < len(slow) / len(probes) < (0.215 + 0.2) / 3.0
    assert 0.1 < 1.0 - len(answered) / len(slow) < 0.8
    assert all(probe["measured_ms"] is not None for probe in fast)
    errors_ms = [probe["measured_ms"] - probe["computed_ms"] for probe in answered]
    assert abs(statistics.median(errors_ms)) < 1.0, "what is measured is as slow as what is computed"
