"""A storm does to real satellites what was decided beforehand, and they are back when it is over."""

from __future__ import annotations

import json
import re
import urllib.request
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from .place import PATIENCE_S, Place, eventually, open_place, port

pytestmark = [pytest.mark.mesh, pytest.mark.together]

STORM_ENDS_S = 9.0
STAY_S = 300.0  # p2s10 begins over the anomaly and leaves it after that
CARRIED_OUT = ("fault_began", "fault_ended")
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


def is_as_planned(event: dict[str, Any], at_s: float, events: list[dict[str, Any]]) -> bool:
    """Whether it has come at its instant; to a host that was late, with what had been carried out by then."""
    late = {e["run_s"] for e in events if e["seq"] < event["seq"] and e["event"] in CARRIED_OUT}
    return bool(event["run_s"] == at_s or (event["run_s"] > at_s and event["run_s"] in late))


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
    eventually(lambda: len(came(stormy)) >= len(wanted), "all have come")
    # After the storm the base rates go on, for as long as this test takes.
    storm, later = came(stormy)[: len(wanted)], came(stormy)[len(wanted) :]
    assert all(event["run_s"] >= STORM_ENDS_S for event in later)
    assert [(e["kind"], e["on"]) for e in storm] == [(kind, on) for _, kind, on in wanted]
    for event, (at_s, _, _) in zip(storm, wanted, strict=True):
        assert is_as_planned(event, at_s, stormy.events())
    eventually(lambda: all_serve(stormy), "all are back")
    ends_s = {e["fault"]: e["run_s"] for e in stormy.events() if e["event"] == "fault_ended"}
    for event, (at_s, kind, _) in zip(storm, wanted, strict=True):
        if kind == "sefi" and (end_s := ends_s[event["fault"]]) > event["run_s"]:
            assert 0.5 <= round(end_s - at_s, 3) <= 1.5
    rebooted = {node for event in storm if event["kind"] == "sefi" for node in event["on"]}

    def lit() -> set[str]:
        return {e["node"] for e in stormy.events() if e["event"] == "node_lit" and e["run_s"] > 5.0}

    eventually(lambda: rebooted <= lit(), "all that were off are lit again")
    passes = [record["run_s"] for record in plan if record["kind"] == "saa"]
    assert passes, "p2s10 begins over the anomaly"
    began = [e for e in stormy.events() if e["event"] == "fault_began" and e["kind"] == "saa"]
    for event, at_s in zip(began[: len(passes)], passes, strict=True):
        assert is_as_planned(event, at_s, stormy.events())


def metrics(place: Place) -> str:
    with urllib.request.urlopen(place.status()["http"] + "/metrics/run", timeout=PATIENCE_S) as answer:
        return str(answer.read().decode())


def counted(text: str) -> Counter[str]:
    """Outcomes that were faults, by the metrics."""
    found = re.findall(r'skyrack_radiation_outcomes_total\{outcome="(\w+)"\} (\S+)', text)
    return +Counter({outcome: int(float(value)) for outcome, value in found if outcome != "upset"})


def outcomes(place: Place) -> Counter[str]:
    """The same by the events."""
    return Counter(event["cause"].removeprefix("radiation: ") for event in came(place))


def test_a_storm_that_is_added_live_raises_rates_at_once_and_is_counted(stormy: Place) -> None:
    eventually(lambda: all_serve(stormy), "all are back")
    before = len(came(stormy))
    stormy.skyrack(
        "fault", "add", "storm", "--node", "satellites", "--factor", "1000", "--for", "10m"
    ).expect()
    begin_s = next(e["run_s"] for e in reversed(stormy.events()) if e.get("kind") == "storm")
    eventually(lambda: len(came(stormy)) > before + 3, "more comes")
    assert "a storm of 1000 over 4 of 4 satellites" in stormy.skyrack("status").expect().out
    assert came(stormy)[before]["run_s"] < begin_s + 5.0
    stormy.skyrack("fault", "rm", "--all").expect()
    eventually(lambda: counted(metrics(stormy)) == outcomes(stormy), "all are counted")
    text = metrics(stormy)
    assert re.search(r'skyrack_radiation_dose_grays\{node="p0s00"\} [0-9.e-]+', text)
    assert 'skyrack_radiation_dose_grays{node="london"}' not in text
    eventually(lambda: all_serve(stormy), "all are back")


def test_who_is_lost_is_over_the_anomaly_no_more(stormy: Place) -> None:
    stay = stormy.event("fault_began", kind="saa", on=["p2s10"])
    stormy.skyrack("fault", "add", "lost", "--node", "p2s10").expect()
    ended = stormy.event("fault_ended", fault=stay["fault"])
    lost = stormy.event("fault_began", kind="lost", on=["p2s10"])
    assert ended["run_s"] < STAY_S or lost["run_s"] >= STAY_S
