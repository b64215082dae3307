"""What upsets do to programs of a real run, as these see it themselves, and who has them work again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from skyrack.orchestrator.api.client import ApiClient

from .place import PATIENCE_S, Place, eventually, open_place, whole_lines

pytestmark = [pytest.mark.mesh, pytest.mark.together]

# Most of its memory is one buffer of zeros; it writes down what in it is not, and puts that right.
BUFFER = """\
import mmap, os, time
size = 32 << 20
buffer = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
buffer[:] = bytes(size)
if not os.path.exists('stored'):
    open('stored', 'wb').write(bytes(10_000))
print('ready', flush=True)
while True:
    rest = buffer[:].lstrip(bytes(1))
    if rest:
        buffer[size - len(rest)] = 0
        print('found', rest[0], flush=True)
    time.sleep(0.05)
"""
TAKE = """\
import socket
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.bind(('', 9999))
print('listens', flush=True)
while True:
    print(sorted(set(sock.recv(2000))), flush=True)
"""
SEND = """\
import socket
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for _ in range(3):
    sock.sendto(bytes(1000), ('tokyo', 9999))
"""
SCENARIO = f"""\
version: 1
name: upsets
extends: iridium
inhabited: {{count: 2}}
ground: [london, tokyo]
telemetry: {{fidelity_probes_per_s: 0}}
hardening: {{watchdog_s: 1}}
services:
  - name: buffer
    nodes: [london]
    command: [python3, -c, {json.dumps(BUFFER)}]
  - name: web
    nodes: [tokyo]
    command: [python3, -m, http.server, "8000"]
    ready: {{http: 8000/, timeout_s: 0.3}}
    watchdog_s: 1
  - name: take
    nodes: [tokyo]
    command: [python3, -c, {json.dumps(TAKE)}]
"""


NOBODY = "nobody is hit"


class Run:
    """The run, and what its services say."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.api = ApiClient(place.sockets / "upsets", PATIENCE_S)

    def add(self, kind: str, where: str, **values: object) -> dict[str, Any]:
        """Enter a fault; what the run answers of it."""
        answer = self.api.post("/v1/faults", {"faults": [{"kind": kind, "nodes": [where], **values}]})
        return dict(answer["faults"][0])

    def took(self, fault: dict[str, Any]) -> str:
        """Wait until an upset has happened; what it did, in a sentence."""
        (sentence,) = self.place.event("fault_effect", fault=fault["id"])["effect"]
        return str(sentence)

    def hit(self, kind: str, where: str, **values: object) -> tuple[dict[str, Any], str]:
        """Enter upsets of a kind until one hits somebody, and what it did.

        A host that is busy for a second sets watchdogs off by itself, and who is being started again is not there.
        """

        def tried() -> tuple[dict[str, Any], str] | None:
            fault = self.add(kind, where, **values)
            said = self.took(fault)
            return None if said.endswith(NOBODY) else (fault, said)

        return eventually(tried, f"{kind} hits somebody")

    def service(self, node: str, name: str) -> dict[str, Any]:
        """How one is going."""
        found = self.api.get("/v1/services")["services"]
        return next(dict(one) for one in found if (one["node"], one["service"]) == (node, name))

    def node(self, name: str) -> dict[str, Any]:
        """A node's entry of the status."""
        return next(dict(one) for one in self.api.get("/v1/status")["nodes"] if one["name"] == name)

    def ended(self, service: str, reason: str, after: int) -> int:
        """Number of the event that a service has ended for that; 0 where there is none yet."""
        ends = [e for e in self.place.events() if e["event"] == "service_ended" and e["seq"] > after]
        return next((int(e["seq"]) for e in ends if e["service"] == service and reason in e["reason"]), 0)

    def lines(self, node: str, service: str) -> list[str]:
        """What it has printed."""
        file = self.place.runs / "latest" / "logs" / f"{node}.{service}.jsonl"
        if not file.exists():
            return []
        return [json.loads(line)["msg"] for line in whole_lines(file)]

    def taken(self) -> list[str]:
        """What packets had in them, by the word of who took them."""
        return [line for line in self.lines("tokyo", "take") if line.startswith("[")]


@pytest.fixture(scope="module")
def run() -> Iterator[Run]:
    with open_place(None) as place:
        place.scenario.write_text(SCENARIO)
        place.up()
        yield Run(place)
        place.skyrack("down").expect()
        place.is_clean()


def test_a_program_finds_a_bit_in_its_memory_that_it_has_not_written(run: Run) -> None:
    eventually(lambda: "ready" in run.lines("london", "buffer"), "the program has its buffer")

    def found() -> str:
        return next((line for line in run.lines("london", "buffer") if line.startswith("found")), "")

    for draw in range(1, 30):
        eventually(lambda: run.service("london", "buffer")["phase"] == "ready", "the program runs")
        # One that hit the interpreter itself may have ended it, and then the next one finds nobody.
        effect = run.took(run.add("flip-memory", "london/buffer", draw=draw))
        assert " is 0x" in effect or effect.endswith(NOBODY)
        if found():
            break
    value = int(eventually(found, "what was flipped is found").split()[1])
    assert value.bit_count() == 1


def test_a_stored_file_differs_by_the_bit_that_is_named(run: Run) -> None:
    eventually(lambda: "ready" in run.lines("london", "buffer"), "the program has stored its file")
    stored = run.place.runs / "latest" / "data" / "london" / "buffer" / "stored"
    effect = run.took(run.add("flip-file", "london/buffer"))
    different = [(at, byte) for at, byte in enumerate(stored.read_bytes()) if byte]
    assert len(different) == 1
    assert f"of byte {different[0][0]} of " in effect
    assert different[0][1].bit_count() == 1
    with pytest.raises(Exception, match="runs no service"):
        run.add("flip-file", "p0s00")


def test_a_crashed_program_is_started_again_by_its_policy(run: Run) -> None:
    mark = run.place.mark()
    _, effect = run.hit("crash", "london/buffer")
    assert effect.endswith("died of SIGSEGV")
    ended = eventually(lambda: run.ended("buffer", "SIGSEGV", mark), "it is said how it ended")
    run.place.event("service_ready", service="buffer", after=ended)


def test_hung_services_and_nodes_are_ended_by_their_watchdogs(run: Run) -> None:
    eventually(lambda: run.service("tokyo", "web")["phase"] == "ready", "the service answers")
    mark, restarts = run.place.mark(), run.node("p0s00")["restarts"]
    faults = [run.hit("hang", where)[0] for where in ("tokyo/web", "p0s00")]
    bitten = eventually(lambda: run.ended("web", "watchdog: ", mark), "its watchdog ends the service")
    run.place.event("service_ready", service="web", after=bitten)
    assert run.place.event("node_watchdog", node="p0s00", after=mark)["silent_s"] >= 1.0

    def serves() -> bool:
        node = run.node("p0s00")
        return bool(node["restarts"] > restarts and node["state"] == "serving")

    eventually(serves, "the node serves again")
    for fault in faults:
        run.api.delete(f"/v1/faults/{fault['id']}")
        (undone,) = run.place.event("fault_undone", fault=fault["id"])["effect"]
        assert undone.endswith("has ended meanwhile")


def test_a_node_that_is_off_takes_no_upset(run: Run) -> None:
    off = run.add("reboot", "p0s00")
    run.place.event("fault_effect", fault=off["id"])
    for kind in ("flip-memory", "flip-message", "crash", "hang"):
        assert run.took(run.add(kind, "p0s00")) == f"nothing runs there at the moment: {NOBODY}"
    run.api.delete("/v1/faults")
    eventually(lambda: run.node("p0s00")["state"] == "serving", "the node serves again")


def test_a_receiver_gets_what_was_never_sent_or_nothing_at_all(run: Run) -> None:
    eventually(lambda: "listens" in run.lines("tokyo", "take"), "somebody listens")
    fixed = run.add("flip-message", "london", fixed_ratio=1.0)
    run.place.skyrack("exec", "london", "--", "python3", "-c", SEND).expect()
    eventually(lambda: len(run.taken()) == 3, "all three have come")
    odd = [line for line in run.taken() if line.startswith("[0, ")]
    assert len(odd) == 1
    (effect,) = run.place.event("fault_effect", fault=fixed["id"])["effect"]
    assert "of UDP from london to tokyo" in effect
    kept = run.add("flip-message", "london")
    run.place.skyrack("exec", "london", "--", "python3", "-c", SEND).expect()
    eventually(lambda: len(run.taken()) == 5, "two of three have come")
    assert "its receiver drops it" in run.took(kept)
    assert [line for line in run.taken() if line.startswith("[0, ")] == odd


def test_a_task_in_three_copies_has_the_result_of_two(run: Run) -> None:
    """All copies are there before any of them ends: one that is late has no vote."""
    which, there = f"{run.place.directory}/which", run.place.directory / "there"
    there.mkdir()
    meet = f"touch {there}/$$; until [ $(ls {there} | wc -l) -ge 3 ]; do sleep 0.01; done"
    script = f"{meet}; mkdir {which} 2>/dev/null && echo wrong || echo right"
    done = run.place.skyrack("exec", "--redundancy", "3", "p0s00", "--", "sh", "-c", script)
    assert done.out == "right\n"
    assert "agree; copy" in done.err
