"""Parts of a contained run end when a fault says so, and who goes on with the run goes on with its faults."""

from pathlib import Path
from typing import Any

import pytest

from skyrack.orchestrator.api.client import ApiError

from .contained_run import NODES, SCENARIO, Parts, eventually
from .records import read_records

pytestmark = [pytest.mark.mesh, pytest.mark.together]

FAULTS = """\
faults:
  schedule:
    - {kind: dark, nodes: [p3s07], at_s: 0.5}
    - {kind: dark, nodes: [p3s08], at_s: 0.6, for_s: 0.2}
    - {kind: dark, nodes: [p3s09], at_s: 3600}
"""
ENDED_ON_REQUEST = 70


def records(run_dir: str) -> list[dict[str, Any]]:
    return read_records(Path(run_dir, "events.jsonl"))


def events(run_dir: str) -> list[tuple[str, str]]:
    return [(e["event"], e["fault"]) for e in records(run_dir) if e["event"].startswith("fault_")]


def faults(parts: Parts) -> dict[str, dict[str, Any]]:
    return {fault["id"]: fault for fault in parts.api.get("/v1/faults")["faults"]}


def dark(parts: Parts, fault: str) -> bool:
    """Whether the fabric says that what the fault is on is dark; it may be too busy to say anything."""
    return [way["lit"] for way in faults(parts)[fault]["fabric"]] == [False]


def test_an_orchestrator_that_is_ended_goes_on_with_the_plan_and_repeats_nothing(parts: Parts) -> None:
    parts.scenario.write_text(SCENARIO + FAULTS)
    for name in ("orchestrator", "fabric", *NODES):
        parts.start(name)
    run_dir = parts.await_all()["run_dir"]
    eventually(lambda: ("fault_ended", "f2") in events(run_dir), "the plan begins")
    for part, words in (
        ("broker", "docker compose restart mosquitto"),
        ("everything", "is no part of a run"),
    ):
        with pytest.raises(ApiError, match=words):
            parts.api.post("/v1/faults", {"faults": [{"kind": "end", "parts": [part]}]})
    asked = {"faults": [{"kind": "end", "parts": ["orchestrator"]}]}
    (ended,) = parts.api.post("/v1/faults", asked)["faults"]
    assert parts.ended("orchestrator") == ENDED_ON_REQUEST
    (effect,) = (
        one for one in records(run_dir) if one["event"] == "fault_effect" and one["fault"] == ended["id"]
    )
    assert "ends in" in effect["effect"][0], "it was not said before the end"

    parts.start("orchestrator")
    parts.await_all()
    eventually(lambda: faults(parts).get("f1", {}).get("acts", False), "what acted acts again")
    eventually(lambda: dark(parts, "f1"), "the fabric says so", parts.logs)
    assert faults(parts).keys() == {"f1", "f3"}
    assert faults(parts)["f3"]["since_s"] == 3600.0
    told = events(run_dir)
    assert [name for name, fault in told if fault == "f1"] == ["fault_began", "fault_resumed"]
    assert [name for name, fault in told if fault == "f2"] == ["fault_began", "fault_ended"]
    assert told.count(("fault_began", ended["id"])) == 1, "it would end for ever"

    parts.api.post("/v1/faults", {"faults": [{"kind": "end", "parts": ["fabric"], "in_s": 0.1}]})
    assert parts.ended("fabric") == ENDED_ON_REQUEST
    parts.start("fabric")
    parts.await_all()
    eventually(lambda: ("fault_effect", "f5") in events(run_dir), "another fabric is seen", parts.logs)
    eventually(lambda: dark(parts, "f1"), "faults survive the fabric", parts.logs)
