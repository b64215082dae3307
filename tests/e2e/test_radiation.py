"""A storm does to real satellites what was decided beforehand, and they are back when it is over."""

from __future__ import annotations

import json
import re
import urllib.request
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from .place import Place, eventually, open_place, port

pytestmark = [pytest.mark.mesh, pytest.mark.together]

STORM_ENDS_S = 9.0
SCENARIO = """\
extends: iridium
name: stormy
inhabited: [p0s00, p2s10, p3s07, p4s02]
ground: [london]
radiation:
  rates: {upset_per_day: 1000, sefi_per_day: 40, crash_per_day: 60, flip_per_day: 0, hang_per_day: 0}
  sefi_min_s: 0.5
  sefi_max_s: 1.5
faults:
  schedule:
    - {kind: storm, nodes: [satellites], factor: 1000, at_s: 5, for_s: 4}
"""


@pytest.fixture(scope="module")
def stormy() -> Iterator[Place]:
    """A run with a storm over it."""
    with open_place() as found:
        found.scenario.write_text(SCENARIO)
        found.up("--port", port(18190))
        yield found


def came(place: Place) -> list[dict[str, Any]]:
    """Outcomes, in order."""
    events = place.events()
    return [e for e in events if e["event"] == "fault_began" and e["cause"].startswith("radiation: ")]


def all_serve(place: Place) -> bool:
    state = place.status()
    acting = {fault["kind"] for fault in state["faults"]["acting"]} - {"saa"}
    return not acting and all(node["state"] == "serving" for node in state["nodes"] if node["inhabited"])


def test_a_storm_gives_what_the_plan_says_and_nodes_come_back(stormy: Place) -> None:
    printed = stormy.skyrack("plan", stormy.scenario, "--for", "10s", "-f", "-").expect().out
    plan = [record for record in map(json.loads, printed.splitlines()) if record["record"] == "fault"]
    wanted = [(r["run_s"], r["kind"], r["nodes"]) for r in plan if r["cause"].startswith("radiation: ")]
    assert len(wanted) > 5
    assert all(5.0 <= run_s < STORM_ENDS_S for run_s, _, _ in wanted)
    eventually(
        lambda: any(e.get("kind") == "storm" and e["event"] == "fault_ended" for e in stormy.events()),
        "is over",
    )
    # After the storm the base rates go on, for as long as this test takes.
    storm = [event for event in came(stormy) if event["run_s"] < STORM_ENDS_S]
    assert [(e["run_s"], e["kind"], e["on"]) for e in storm] == wanted
    eventually(lambda: all_serve(stormy), "all are back")
    ends_s = {e["fault"]: e["run_s"] for e in stormy.events() if e["event"] == "fault_ended"}
    for event in storm:
        if event["kind"] == "sefi":
            assert 0.5 <= ends_s[event["fault"]] - event["run_s"] <= 1.5
    rebooted = {node for event in storm if event["kind"] == "sefi" for node in event["on"]}
    lit = {e["node"] for e in stormy.events() if e["event"] == "node_lit" and e["run_s"] > 5.0}
    assert rebooted <= lit
    passes = [record["run_s"] for record in plan if record["kind"] == "saa"]
    assert passes, "p2s10 begins over the anomaly"
    began = [e for e in stormy.events() if e["event"] == "fault_began" and e["kind"] == "saa"]
    assert [e["run_s"] for e in began if e["run_s"] < 10.0] == passes


def test_a_storm_that_is_added_live_raises_rates_at_once_and_is_counted(stormy: Place) -> None:
    eventually(lambda: all_serve(stormy), "all are back")
    before = len(came(stormy))
    stormy.skyrack(
        "fault", "add", "storm", "--node", "satellites", "--factor", "1000", "--for", "60s"
    ).expect()
    begin_s = next(e["run_s"] for e in reversed(stormy.events()) if e.get("kind") == "storm")
    eventually(lambda: len(came(stormy)) > before + 3, "more comes")
    assert "a storm of 1000 over 4 of 4 satellites" in stormy.skyrack("status").expect().out
    assert came(stormy)[before]["run_s"] < begin_s + 5.0
    stormy.skyrack("fault", "rm", "--all").expect()
    with urllib.request.urlopen(stormy.status()["http"] + "/metrics/run", timeout=20) as answer:
        text = answer.read().decode()
    counted = {
        outcome: int(float(value))
        for outcome, value in re.findall(r'skyrack_radiation_outcomes_total\{outcome="(\w+)"\} (\S+)', text)
    }
    events = Counter(event["cause"].removeprefix("radiation: ") for event in came(stormy))
    assert {outcome: count for outcome, count in counted.items() if count and outcome != "upset"} == events
    assert re.search(r'skyrack_radiation_dose_grays\{node="p0s00"\} [0-9.e-]+', text)
    assert 'skyrack_radiation_dose_grays{node="london"}' not in text
    eventually(lambda: all_serve(stormy), "all are back")
