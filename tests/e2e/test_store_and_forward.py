"""Bundles in a run without any path between its stations: stored, forwarded, delivered when computed; refused; lost."""

from __future__ import annotations

import json
import time
import urllib.request

import pytest

from skyrack.orchestrator.api.client import ApiClient

from .place import PATIENCE_S, eventually, open_place, port

pytestmark = pytest.mark.mesh

PORT = port(18290)
SIZE = 20_000_000
# The four satellites of deploy/scenarios/store-and-forward.yaml, at another time: papeete sees p0s03 from 1,050 to
# 1,500 s and p0s02 from 2,450 s on, svalbard p0s03 from 2,900 s on.
SCENARIO = """\
version: 1
name: small
start: 2026-01-01T01:49:12Z
shells:
  - {planes: 1, slots: 4, altitude_km: 786, inclination_deg: 98.6}
links: {laser_range_km: 1, ground_rate_bps: 560000000, elevation_mask_deg: 5}
routing: {strategy: contact-graph, storage_bytes: 30000000}
ground:
  - svalbard
  - {name: papeete, lat_deg: -17.53, lon_deg: -149.57}
"""
TOLERANCE_S = 0.002


def fast_sky(api: ApiClient, command_s: float) -> None:
    """Speed the orbits up from now on, so that several commands can be given between two contacts however slow they are."""
    speed = min(100.0, max(30.0, 150.0 / command_s))
    api.post("/v1/clock", {"action": "speed", "speed": speed})


def metric(api: ApiClient, sample: str) -> float:
    """What the run exposes for a name with its labels."""
    with urllib.request.urlopen(api.get("/v1/status")["http"] + "/metrics/run", timeout=PATIENCE_S) as answer:
        lines = answer.read().decode().splitlines()
    return next(float(line.rpartition(" ")[2]) for line in lines if line.rpartition(" ")[0] == sample)


def bulk(size: int) -> tuple[object, ...]:
    return "load", "bulk", "--from", "papeete", "--to", "svalbard", "--size", size


def test_what_has_no_path_is_stored_and_forwarded_when_contacts_begin() -> None:
    with open_place() as place:
        place.scenario.write_text(SCENARIO)
        place.up("--port", PORT)
        api = ApiClient(place.sockets / "small", PATIENCE_S)
        asked_s = time.monotonic()
        told = place.skyrack("path", "papeete", "svalbard", "--run", "small", "--size", SIZE).expect()
        fast_sky(api, time.monotonic() - asked_s)
        assert "unreachable" in told.out
        assert "contact-graph stores and forwards: 20 MB are there at 2" in told.err
        first = place.foreground(*bulk(SIZE))
        first.says("stored at papeete, waiting for contact with p0s03 until ")

        refused = place.skyrack(*bulk(SIZE)).expect(3)
        assert "RESOURCE_EXHAUSTED" in refused.out
        assert "its own store has 20000000 of 30000000 bytes in custody" in refused.out

        stored = place.event("bundle_stored", node="p0s03")
        assert stored["bytes"] == SIZE
        assert metric(api, 'skyrack_custody_bytes{node="p0s03"}') == SIZE
        # Dark it keeps what it has, and is back before its next contact.
        place.skyrack("fault", "add", "dark", "--node", "p0s03", "--for", "2s").expect()
        place.event("bundle_stranded", node="p0s03")
        place.event("fault_ended")
        place.event("bundle_routed", node="p0s03", why="no way known before")

        eventually(lambda: api.get("/v1/clock")["t_s"] > 1500.0, "p0s03 has set over papeete")
        second = place.foreground(*bulk(SIZE))
        second.says("stored at papeete, waiting for contact with p0s02 until ")
        place.event("bundle_stored", node="p0s02")
        place.kill("p0s02")
        lost = second.ends(3)
        assert "DATA_LOSS: p0s02 has ended with all 20000000 bytes in its custody" in lost

        assert "done, stored at p0s03" in first.ends(0)
        finished = place.event("transfer_finished", outcome="done")
        started = place.event("transfer_started", transfer=finished["transfer"])
        assert finished["took_s"] == pytest.approx(started["idle_s"], abs=TOLERANCE_S)
        legs = place.event("bundle_routed", transfer=finished["transfer"], why="no way now")["legs"]
        assert stored["run_s"] == pytest.approx(legs[0]["arrives_s"], abs=TOLERANCE_S)
        assert metric(api, 'skyrack_bundles_total{outcome="lost"}') == 1
        assert metric(api, 'skyrack_bundles_total{outcome="delivered"}') == 1
        assert metric(api, 'skyrack_custody_bytes{node="p0s03"}') == 0
        result = json.loads((place.runs / "latest" / "result.json").read_text())
        assert result["transfers"][0]["bundle"]
