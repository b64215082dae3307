"""What a scenario decides to break breaks then, there and so; what is planned is what happens."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import grpc
import pytest

from skyrack.orchestrator.runtime.hands.processes import NOTHING_RUNS
from skyrack.v1 import fault_pb2, fault_pb2_grpc

from .place import PATIENCE_S, Place, eventually, open_place

pytestmark = [pytest.mark.mesh, pytest.mark.together]

SCENARIO = """\
extends: iridium
name: planned
seed: 5
inhabited: [p0s00, p2s00]
ground: [london, tokyo]
services:
  - {name: keep, nodes: [p0s00, p2s00], command: [sleep, 1000]}
faults:
  schedule:
    - {kind: latency, nodes: [region:europe], extra_s: 0.05, at_s: 5, for_s: 1}
    - {kind: dark, nodes: ["random:2:plane:p4"], at_s: 5.5, for_s: 0.5, cause: a storm}
    - {kind: kill, nodes: [p0s00/keep], at_s: 6}
    - {kind: end, parts: [fabric], at_s: 7}
  campaigns:
    - name: shakes
      kinds: [{kind: latency, extra_s: 0.02}, {kind: flap, period_s: 0.5}]
      on: [service:keep]
      every_s: 0.7
      for_s: [0.3, 0.6]
      from_s: 4
      until_s: 8
      most_at_once: 2
"""
VALUES = ("extra_s", "period_s", "down_ratio")


@pytest.fixture(scope="module")
def planned() -> Iterator[Place]:
    """A run that its own plan breaks."""
    with open_place() as found:
        found.scenario.write_text(SCENARIO)
        found.up()
        yield found


def faults_of(place: Place) -> list[dict[str, Any]]:
    answer: list[dict[str, Any]] = json.loads(place.skyrack("fault", "list", "-o", "json").expect().out)[
        "faults"
    ]
    return answer


def effects_of(place: Place) -> dict[str, list[str]]:
    return {e["on"]: e["effect"] for e in place.events() if e["event"] == "fault_effect"}


def failed(place: Place) -> list[dict[str, Any]]:
    return [event for event in place.events() if event["event"] == "fault_failed"]


def test_what_is_planned_is_what_happens(planned: Place) -> None:
    printed = planned.skyrack("plan", planned.scenario, "--for", "60s", "-f", "-").expect().out
    plan = [record for record in map(json.loads, printed.splitlines()) if record["record"] == "fault"]
    assert len(plan) > 6, "four by the timetable, and a campaign"
    eventually(lambda: not faults_of(planned), "all have ended")

    began = [event for event in planned.events() if event["event"] == "fault_began"]
    wanted = [
        (r["run_s"], r["kind"], r.get("links", []) + r.get("nodes", []) + r.get("parts", []), r["cause"])
        for r in plan
    ]
    assert [(e["run_s"], e["kind"], e["on"], e["cause"]) for e in began] == wanted
    assert [[e.get(key) for key in VALUES] for e in began] == [[r.get(key) for key in VALUES] for r in plan]
    assert {"a storm", "scenario", "campaign shakes"} == {event["cause"] for event in began}

    ended = {e["fault"]: e["run_s"] for e in planned.events() if e["event"] == "fault_ended"}
    for event, record in zip(began, plan, strict=True):
        assert ended[event["fault"]] == pytest.approx(event["run_s"] + record.get("for_s", 0.0), abs=1e-6)
    # A fault that is done at once has ended before what it did has been seen through: a fabric is gone until it serves.
    eventually(
        lambda: {"p0s00/keep", "fabric"} <= effects_of(planned).keys() | {e["on"] for e in failed(planned)},
        "both have been seen",
    )
    assert "serves after" in effects_of(planned)["fabric"][0]
    ready_s = planned.event("service_ready", node="p0s00", service="keep")["run_s"]
    if ready_s < 6.0 or not failed(planned):
        assert "killed" in effects_of(planned)["p0s00/keep"][0]
        assert not failed(planned)
    else:  # a host that is so busy starts it later
        assert [(e["on"], e["reason"]) for e in failed(planned)] == [("p0s00/keep", NOTHING_RUNS)]
    written = planned.runs / "latest" / "plan.jsonl"
    eventually(written.exists, "the run writes its plan")
    assert [r for r in map(json.loads, written.read_text().splitlines()) if r["record"] == "fault"] == plan


def test_a_client_of_the_grpc_api_breaks_watches_and_mends(planned: Place) -> None:
    with grpc.insecure_channel(f"unix:{planned.sockets}/planned/faults.sock") as channel:
        stub: Any = fault_pb2_grpc.FaultServiceStub(channel)
        watching = stub.WatchFaults(fault_pb2.WatchFaultsRequest(), timeout=PATIENCE_S)
        watching.initial_metadata()
        spec = fault_pb2.FaultSpec(
            kind="latency", links=["p0s00-p0s01"], values={"extra_s": 0.1}, cause="a client"
        )
        added = stub.AddFaults(fault_pb2.AddFaultsRequest(faults=[spec])).faults[0]
        assert added.acts
        assert (next(watching).event, added.cause) == ("fault_began", "a client")
        shown = planned.skyrack("status").expect().out
        assert f"faults: {added.id} latency p0s00-p0s01" in shown
        stub.RemoveFaults(fault_pb2.RemoveFaultsRequest(ids=[added.id]))
        assert next(watching).event == "fault_ended"
        with pytest.raises(grpc.RpcError) as refused:
            stub.AddFaults(
                fault_pb2.AddFaultsRequest(faults=[fault_pb2.FaultSpec(kind="end", parts=["orchestrator"])])
            )
        assert "holds all of it" in str(refused.value.details())
    assert faults_of(planned) == []


def test_a_campaign_can_be_added_while_the_run_is_up_and_is_undone_by_removing_it(planned: Place) -> None:
    arguments = (
        "--name",
        "late",
        "--fault",
        "latency:20ms",
        "--on",
        "satellites",
        "--every",
        "2s",
        "--until",
        "60s",
    )
    added = json.loads(planned.skyrack("fault", "add", "campaign", *arguments, "-o", "json").expect().out)
    assert len(added["faults"]) > 10
    assert {fault["cause"] for fault in added["faults"]} == {"campaign late"}
    again = planned.skyrack("fault", "add", "campaign", *arguments).expect(2)
    assert "there is a campaign called 'late' already" in again.err
    planned.skyrack("fault", "rm", "--all").expect()
    assert faults_of(planned) == []
