"""Planned handovers of stations with one antenna: what is lost is what was computed to be lost, or nothing is."""

from __future__ import annotations

import json
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
