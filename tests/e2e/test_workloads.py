"""Workloads against a real service: what a node's death does to their histories, how they end early, and who is left."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from skyrack.history import History, read_history

from .place import ROOT, Foreground, Place, eventually, open_place

pytestmark = pytest.mark.mesh

# One instance of Redis, whose writes are in the page cache before they are acknowledged: a kill loses nothing.
SCENARIO = """\
version: 1
name: small
extends: iridium
inhabited: [p3s07, p0s00]
ground: [london, tokyo]
services:
  - name: store
    nodes: [p3s07]
    command: [redis-server, --port, "6379", --bind, 0.0.0.0, --protected-mode, "no", --save, "",
      --appendonly, "yes", --appendfsync, "no", --dir, "{data}"]
    ready: {port: 6379}
workloads:
  - kind: kv
    service: store
    adapter: redis
    rate_hz: 100
    duration_s: 6
    options: {keys: 5}
    thresholds: {availability_ratio: 0.1}
"""


TIMEOUT_S = 2.0  # of an operation
TOO_LATE = ("no answer within", "TimeoutError")
LOAD_S = 200.0  # until a load has ended that was to take some seconds


@pytest.fixture(scope="module")
def served() -> Iterator[Place]:
    with open_place() as found:
        found.scenario.write_text(SCENARIO)
        found.up()
        yield found


def history_of(place: Place) -> History:
    return read_history(place.runs / "latest" / "history.jsonl")


def result_of(place: Place) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((place.runs / "latest" / "result.json").read_text())
    return found


def load_processes(place: Place) -> dict[int, str]:
    return {pid: line for pid, line in place.processes().items() if "groundstation.load" in line}


def under_way(place: Place, *words: object) -> Foreground:
    """Start a load and wait until operations of it are being answered."""
    history = place.runs / "latest" / "history.jsonl"

    def file() -> int:
        return history.stat().st_ino if history.exists() else 0

    def answered() -> bool:
        with contextlib.suppress(FileNotFoundError):
            return file() != earlier and history.read_text().count('"type": "ok"') > 20
        return False

    earlier = file()
    load = place.foreground("load", *words)
    eventually(lambda: answered() or load.process.poll() is not None, "operations answered")
    assert load.process.poll() is None, load.said
    return load


def test_kv_survives_the_death_of_its_clients_and_of_its_service(served: Place) -> None:
    faults = ("--fault", "kill:london@1s", "--fault", "kill:p3s07@2.5s")
    ended = served.skyrack("load", "kv", *faults, timeout_s=LOAD_S)
    assert ended.status in (0, 4), ended.text  # a host that is not quiet says nothing of thresholds
    result, history = result_of(served), history_of(served)
    assert result["history"]["verdict"] == "ok", ended.text
    assert not history.cut_short
    assert [operation.f for operation in history.operations[-5:]] == ["read"] * 5, "the final reads"
    # London's clients died with what they had under way, and others went on.
    errors = {operation.error for operation in history.operations if operation.node == "london"}
    assert {"the client's node died", "the client's node is down"} <= errors
    london, service = (served.event("node_exited", node=node)["run_s"] for node in ("london", "p3s07"))
    answered = [o for o in history.operations if o.node == "london" and o.outcome == "ok"]
    before, after = (
        {o.process for o in answered if (o.completed_s < london) is early} for early in (True, False)
    )
    assert before
    assert not before & after
    # Tokyo's saw the service go and come back; on a busy host answers may be too late at any time.
    tokyo = [operation for operation in history.operations if operation.node == "tokyo"]
    lost = [o for o in tokyo if not o.answered and not any(words in o.error for words in TOO_LATE)]
    assert lost
    assert all(operation.invoked_s > service - TIMEOUT_S for operation in lost)
    assert tokyo[-1].outcome == "ok"
    # And so it is reported.
    assert set(result["nodes"]) == {"london", "tokyo"}
    assert result["nodes"]["tokyo"]["latency_s"]["p50"] > 0.005, "it did not cross the mesh"
    assert "linearizable" in ended.out
    assert "availability >= 10 %" in ended.out
    assert "history.jsonl" in ended.out
    assert "skyrack check" in ended.out
    report = (served.runs / "latest" / "report.html").read_text()
    assert "From each node" in report
    assert "store at p3s07, by adapter redis" in report


def test_ctrl_c_ends_a_load_with_what_there_is(served: Place) -> None:
    load = under_way(served, "queue", "--service", "store", "--adapter", "redis", "--for", "5m")
    load.process.send_signal(signal.SIGINT)
    said = load.ends(130)
    assert "stopped after" in said
    assert not history_of(served).cut_short
    assert result_of(served)["verdict"] != "ok", "nothing was taken out at the end"
    assert not load_processes(served)


def test_a_generator_that_is_killed_leaves_a_history_that_can_be_checked(served: Place) -> None:
    load = under_way(served, "kv", "--for", "5m")
    generator, *_ = [
        pid for pid, line in load_processes(served).items() if os.getpgid(pid) == pid and "store" in line
    ]
    os.kill(generator, signal.SIGKILL)
    said = load.ends(4)
    assert "cut short" in said
    eventually(lambda: not load_processes(served), "no client is left in a node")
    assert history_of(served).cut_short
    checked = served.skyrack("check", served.runs / "latest" / "history.jsonl", "-o", "json")
    assert checked.status in (0, 4), checked.text
    assert json.loads(checked.out)["operations"]["ok"] > 20


def test_a_workload_in_a_file_of_ones_own_runs_in_the_nodes(served: Place) -> None:
    """The one that docs/12-workloads.md writes."""
    words = ("--service", "store", "--adapter", "redis", "--for", "1s", "--rate", "100", "--option", "keys=2")
    counter = f"{ROOT}/docs/workloads/counter.py:Counter"
    ended = served.skyrack("load", "workload", counter, *words, timeout_s=LOAD_S)
    assert ended.status in (0, 4), ended.text
    result, history = result_of(served), history_of(served)
    (check,) = result["history"]["checks"]
    assert (check["name"], check["verdict"]) == ("no increment lost", "ok"), ended.text
    assert {operation.key for operation in history.operations} == {"c0", "c1"}
    assert result["refused"] == sum(o.outcome == "fail" and not o.error for o in history.operations) > 0


def test_what_cannot_be_asked_is_said_before_anything_runs(served: Place) -> None:
    assert "no service is called 'stor'" in served.skyrack("load", "kv", "--service", "stor").expect(2).err
    assert "of which service, and how is it asked?" in served.skyrack("load", "bank").expect(2).err


@pytest.mark.skipif(os.getuid() != 0, reason="mounting a small file system needs root")
def test_a_full_disk_under_the_history_ends_the_load_and_never_gives_ok() -> None:
    with open_place() as place:
        place.scenario.write_text(SCENARIO)
        place.runs.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", place.runs], check=True)
        try:
            place.up()
            load = under_way(place, "kv", "--for", "5m")
            fill(place.runs)
            said = load.ends(1)
            assert "history.jsonl: No space left on device" in said
            assert "the history is not whole" in said
            assert history_of(place).cut_short
            assert not load_processes(place)
        finally:
            place.down()
            subprocess.run(["umount", "--lazy", place.runs], check=True)


def fill(directory: Path) -> None:
    """Leave no byte free."""
    with (directory / "filler").open("ab", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
