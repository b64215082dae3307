"""What faults do to processes of nodes in containers, and who brings them back when whoever asked has ended."""

from __future__ import annotations

import contextlib
import signal
import sys
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import pytest

from skyrack.v1 import control_pb2, control_pb2_grpc, namespaces

from .contained_run import NAME, NODES, PATIENCE_S, Parts, eventually
from .records import read_records

pytestmark = [pytest.mark.mesh, pytest.mark.together]

LONG_S = 3600.0  # until it is taken back
COMMAND = [sys.executable, "-c", "while True: pass"]


def told(parts: Parts, event: str, key: str, value: str) -> list[dict[str, Any]]:
    """The run's events of that name about one fault or node."""
    records = read_records(Path(parts.status()["run_dir"], "events.jsonl"))
    return [one for one in records if one["event"] == event and one[key] == value]


def effect(parts: Parts, event: str, fault: dict[str, Any]) -> str:
    """What the event of that name says of a fault, once it is there."""
    about = partial(told, parts, key="fault", value=fault["id"])

    def found() -> bool:
        assert not (failed := about("fault_failed")), failed
        return bool(about(event))

    eventually(found, f"{event} of {fault}", parts.logs)
    return str(about(event)[0]["effect"][0])


def add(parts: Parts, kind: str, where: str, **values: object) -> dict[str, Any]:
    """Enter a fault; what the run answers of it."""
    request = {"faults": [{"kind": kind, "nodes": [where], **values}]}
    fault: dict[str, Any] = parts.api.post("/v1/faults", request)["faults"][0]
    return fault


def allow(parts: Parts, name: str, cpu_cores: float | None) -> str:
    """Report what flight software allows; the first sentence of what is done about it, which an answer may be too early for."""
    throttles = partial(told, parts, "flight_throttle", "node", name)
    before = len(throttles())
    flight = control_pb2.FlightState(mode=control_pb2.FLIGHT_MODE_THROTTLED, cpu_cores=cpu_cores)
    with grpc.insecure_channel(f"unix:{parts.mesh / 'control.sock'}") as channel:
        stub = control_pb2_grpc.ControlServiceStub(channel)
        request = control_pb2.ReportFlightRequest(name=name, run=NAME, flight=flight)
        stub.ReportFlight(request, timeout=PATIENCE_S)
    eventually(lambda: len(throttles()) > before, f"{name} is kept to {cpu_cores} cores", parts.logs)
    return str(throttles()[-1]["effect"][0])


def pid_of(parts: Parts, name: str) -> int:
    """The node's process, as seen here."""
    return namespaces.pid_of_socket(parts.mesh / "nodes" / f"{name}.sock")


def states(pid: int) -> dict[str, str]:
    """The node's process and what it has started: states by name."""
    found = {}
    for child in (pid, *map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            name, _, rest = Path(f"/proc/{child}/stat").read_text().partition("(")[2].rpartition(") ")
            found[name] = rest[0]
    return found


def burns(parts: Parts, starts: int) -> bool:
    """Whether the service's program runs in its start of that number, and the run knows: faults act on what it knows of."""
    (service,) = parts.api.get("/v1/services")["services"]
    if service["phase"] != "ready" or service["restarts"] != starts - 1:
        return False
    wanted, pid = "\0".join([*COMMAND, ""]), pid_of(parts, "london")
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        with contextlib.suppress(OSError):
            if Path(f"/proc/{child}/cmdline").read_text() == wanted:
                return True
    return False


def test_faults_act_on_the_processes_of_a_container_and_end_with_who_asked(parts: Parts) -> None:
    for name in ("orchestrator", "fabric", *NODES):
        parts.start(name)
    parts.await_all()
    parts.api.post(
        "/v1/services", {"name": "burn", "nodes": ["london"], "command": COMMAND, "restart": "always"}
    )
    pid = pid_of(parts, "london")
    eventually(lambda: burns(parts, 1), "the service runs", parts.logs)
    paused = add(parts, "pause", "london")
    assert effect(parts, "fault_effect", paused).startswith("stopped 2 processes: sky london (pid ")
    assert set(states(pid).values()) == {"T"}
    parts.end("orchestrator")
    eventually(lambda: "T" not in states(pid).values(), "they go on without being told", parts.logs)
    parts.start("orchestrator")
    eventually(lambda: set(states(pid).values()) == {"T"}, "who goes on with the run stops them", parts.logs)
    parts.api.delete(f"/v1/faults/{paused['id']}")
    parts.await_all()
    assert pid_of(parts, "london") == pid

    slowed = add(parts, "cpu", "london/burn", cpu_ratio=0.3, for_s=0.3)
    said = effect(parts, "fault_effect", slowed)
    assert said == "0.3 of a core for 1 process together, by stopping and continuing them"
    effect(parts, "fault_undone", slowed)
    assert "T" not in states(pid).values()
    hung = add(parts, "hang", "london/burn")
    assert effect(parts, "fault_effect", hung).startswith("stopped python")
    parts.api.delete(f"/v1/faults/{hung['id']}")
    assert effect(parts, "fault_undone", hung).endswith("goes on")
    said = "0.3 of a core for 1 process together, by stopping and continuing them"
    assert allow(parts, "london", 0.3) == said, "the node itself is no guest of its own"
    assert allow(parts, "london", None) == "no share of a core is kept to any more"
    assert "T" not in states(pid).values()
    killed = add(parts, "kill", "london/burn")
    assert effect(parts, "fault_effect", killed).startswith("killed 1 process: python")
    eventually(lambda: burns(parts, 2), "the node has started it again", parts.logs)
    flipped = add(parts, "flip-memory", "london/burn")  # which it may not survive
    assert " is 0x" in effect(parts, "fault_effect", flipped)

    waits = "waiting for the configuration"
    before = parts.log("london").read_text().count(waits)
    rebooted = add(parts, "reboot", "london", for_s=LONG_S)
    assert parts.ended("london") == 128 + signal.SIGKILL
    parts.start("london")  # as an engine does
    eventually(lambda: parts.log("london").read_text().count(waits) > before, "it waits", parts.logs)
    eventually(lambda: parts.node("london")["state"] == "dark", "it is missed", parts.logs)
    parts.api.delete(f"/v1/faults/{rebooted['id']}")
    assert effect(parts, "fault_undone", rebooted) == "started again"
    parts.await_all()
    assert parts.node("london")["restarts"] == 1
