"""Servicing of a real run: services end gracefully, data are gone, who was lost comes back, bad software goes back."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from skyrack.orchestrator.api.client import ApiClient, ApiError

from .place import PATIENCE_S, Place, eventually, open_place, whole_lines

pytestmark = [pytest.mark.mesh, pytest.mark.together]

LOG = """\
import os, signal, sys, time
def say(word):
    with open('log', 'a') as file:
        file.write(word + ' ' + os.environ['V'] + '\\n')
def end(*_):
    say('ended')
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
say('started')
while True:
    time.sleep(0.02)
"""
NODES = ("p1s00", "p2s00", "p2s03")
SCENARIO = f"""\
version: 1
name: small
extends: iridium
inhabited: [p2s03]
ground: [london, tokyo]
links: {{epoch_offset_s: 0}}  # the path from London to Tokyo stays
services:
  - name: log
    nodes: [{", ".join(NODES)}]
    command: [python3, -c, {json.dumps(LOG)}]
    env: {{V: "1"}}
    stop_timeout_s: {PATIENCE_S:g}
"""


class Run:
    """A run with a service that writes when it starts and when it is asked to end."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.api = ApiClient(place.sockets / "small", PATIENCE_S)

    def data(self, node: str) -> Path:
        return self.place.runs / "latest" / "data" / node / "log"

    def said(self, node: str) -> list[str]:
        file = self.data(node) / "log"
        return whole_lines(file) if file.exists() else []

    def rows(self) -> dict[str, dict[str, Any]]:
        return {row["node"]: row for row in self.api.get("/v1/services")["services"]}

    def node(self, name: str) -> dict[str, Any]:
        return next(dict(node) for node in self.api.get("/v1/status")["nodes"] if node["name"] == name)

    def way(self, a: str, b: str) -> list[str]:
        return list(self.api.get(f"/v1/path?from={a}&to={b}")["in_force"]["path"])

    def upgrade(self, status: int, *arguments: str) -> dict[str, Any]:
        said = ("upgrade", "log", "--relay", "--watch", "0.3s", "--size", "1GB", "-o", "json", *arguments)
        answer: dict[str, Any] = json.loads(self.place.skyrack(*said).expect(status).out)
        return answer


@pytest.fixture(scope="module")
def run() -> Iterator[Run]:
    with open_place() as place:
        place.scenario.write_text(SCENARIO)
        place.up()
        yield Run(place)
        place.skyrack("down").expect()
        place.is_clean()


def test_a_lost_node_that_was_repaired_serves_again_with_empty_data(run: Run) -> None:
    place = run.place
    eventually(lambda: run.said("p2s00"), "it has written something")
    entries = [
        {"kind": "lost", "nodes": ["p2s00"]},
        {"kind": "repair", "nodes": ["p2s00"], "in_s": 0.5, "travel_t_s": 0.5, "visit_t_s": 0.5},
    ]
    lost, repair = run.api.post("/v1/faults", {"faults": entries})["faults"]
    effect = place.event("fault_effect", fault=lost["id"])["effect"]
    assert effect[-1] == "removed the data of log: 1 file, 10 bytes"
    at_s = [
        place.event("fault_stage", kind="repair", stage=stage)["run_s"]
        for stage in ("travel", "visit", "as new")
    ]
    assert [since - lost["since_s"] for since in at_s] == pytest.approx([0.5, 1.0, 1.5])
    mended = place.event("fault_mended", by=repair["id"])
    assert (mended["kind"], mended["on"]) == ("lost", ["p2s00"])
    assert place.event("fault_ended", fault=lost["id"])["run_s"] == at_s[-1]
    eventually(lambda: run.said("p2s00") == ["started 1"], "it begins anew")
    eventually(lambda: run.node("p2s00")["state"] == "serving", "it serves again")


def test_what_is_drained_ends_as_it_is_asked_to_and_starts_again_with_its_data(run: Run) -> None:
    eventually(lambda: run.said("p2s03"), "it can end as it is asked to")
    assert "p2s03" in run.way("london", "tokyo")
    drained = run.place.skyrack("drain", "p2s03").expect()
    assert drained.out.split() == ["NODE", "SERVICE", "PHASE", "p2s03", "log", "drained"]
    assert run.said("p2s03") == ["started 1", "ended 1"]
    assert run.api.post("/v1/drain", {"nodes": ["p2s03"]})["changed"] == [], "twice is once"
    node = run.node("p2s03")
    assert (node["state"], node["drained"]) == ("serving", True)
    eventually(lambda: "p2s03" not in run.way("london", "tokyo"), "it is led around")
    assert run.way("london", "p2s03")[-1] == "p2s03"
    eventually(
        lambda: "1 received" in run.place.skyrack("ping", "london", "p2s03", "-c", "1").out, "it answers"
    )
    with pytest.raises(ApiError, match="drained; skyrack undrain p2s03"):
        run.api.post("/v1/services/log/restart", {"nodes": ["p2s03"]})
    with pytest.raises(ApiError, match="no node is called 'p2s0'"):
        run.api.post("/v1/drain", {"nodes": ["p2s0"]})
    run.place.skyrack("undrain", "p2s03").expect()
    eventually(lambda: run.said("p2s03") == ["started 1", "ended 1", "started 1"], "it starts again")
    eventually(lambda: "p2s03" in run.way("london", "tokyo"), "and it is led through it again")
    assert run.api.post("/v1/undrain", {"nodes": ["p2s03"]})["changed"] == []


def test_new_software_comes_node_by_node_and_what_fails_goes_back_everywhere(run: Run) -> None:
    """Also a rollout that is interrupted while it waits, and one that goes on where another was."""
    waiting = run.place.foreground("upgrade", "log", "--env", "V=2", "--size", "1EB", "--nodes", "p2s03")
    waiting.says("is known ahead")
    waiting.process.send_signal(signal.SIGINT)
    assert "interrupted" in waiting.ends(130)
    assert run.rows()["p2s03"]["version"] == 1
    run.api.post("/v1/services/log/version", {"node": "p2s03", "version": 2})
    eventually(lambda: run.said("p1s00"), "it can end as it is asked to")
    good = run.upgrade(0, "--env", "V=2", "--at-once", "2", "--from", "london")
    states = [(one["state"], one["version"]) for one in good["nodes"]]
    assert states == [("upgraded", 2), ("upgraded", 2), ("had it", 2)]
    one = good["nodes"][0]
    assert one["path"][0] == "london"
    assert one["transfer_s"] > 0.08, "1 GB at 100 Gbit/s"
    assert run.place.event("transfer_finished", outcome="done")["delivered_bytes"] == 1_000_000_000
    eventually(lambda: run.said("p1s00")[-2:] == ["ended 1", "started 2"], "the new version runs")
    bad = run.upgrade(3, "--at-once", "2", "--", "no-such-program")
    assert bad["verdict"] == "rolled back"
    assert [(one["state"], one["version"]) for one in bad["nodes"]] == [
        ("failed", 2),
        ("failed", 2),
        ("not begun", 2),
    ]
    assert bad["nodes"][0]["reason"].startswith("no-such-program: not found in PATH")
    assert {node: (row["version"], row["phase"]) for node, row in run.rows().items()} == dict.fromkeys(
        NODES, (2, "ready")
    )
    eventually(lambda: run.said("p1s00")[-1] == "started 2", "the version before runs")


def test_who_is_retired_ends_what_it_runs_is_erased_and_never_comes_back(run: Run) -> None:
    place = run.place
    eventually(lambda: run.said("p1s00")[-1:] == ["started 2"], "it can end as it is asked to")
    (run.data("p1s00") / "deep").mkdir()
    (run.data("p1s00") / "deep" / "photo").write_bytes(b"x" * 5000)
    place.skyrack("fault", "add", "retire", "--node", "p1s00", "--drain", "1s", "--deorbit", "1s").expect()
    fault = place.event("fault_began", kind="retire")["fault"]

    def effects() -> list[str]:
        events = [event for event in place.events() if event["event"] == "fault_effect"]
        return [event["effect"][0] for event in events if event["fault"] == fault]

    ended, erased, gone = eventually(lambda: effects() if len(effects()) == 3 else [], "three effects")
    assert ended == "log ended"
    assert erased.startswith("removed the data of log: 2 files, 5,0")
    assert gone.startswith("killed 1 process: sky p1s00")
    assert list(run.data("p1s00").iterdir()) == []
    assert run.node("p1s00")["state"] == "lost"
    assert "(deorbit)" in place.skyrack("status").expect().out
    with pytest.raises(ApiError, match=f"p1s00 is retired by fault {fault}"):
        run.api.post("/v1/faults", {"faults": [{"kind": "repair", "nodes": ["p1s00"]}]})
    assert run.api.post("/v1/undrain", {"nodes": ["p1s00"]})["kept"] == {"p1s00": ["fault"]}
