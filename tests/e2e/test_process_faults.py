"""What faults do to processes of a real run, as programs inside of the nodes see it, and that all of it is undone."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from .faults_of import FaultsOf
from .place import PATIENCE_S, Place, all_processes, eventually, open_place

pytestmark = pytest.mark.mesh

TICK = """\
import os, time
with open('ticks', 'a', buffering=1) as file:
    while True:
        file.write('%.4f %d\\n' % (time.monotonic(), os.getpid()))
        time.sleep(0.01)
"""
BURN = """\
import sys, time
def burn(for_s):
    began_s, used_s = time.monotonic(), time.process_time()
    while (took_s := time.monotonic() - began_s) < for_s:
        pass
    return (time.process_time() - used_s) / took_s
burn(0.3)  # until it has been found
print(burn(float(sys.argv[1])))
"""
SCENARIO = f"""\
version: 1
name: small
extends: iridium
inhabited: {{count: 2}}
ground: [london, tokyo]
services:
  - name: tick
    nodes: [london]
    command: [python3, -c, {json.dumps(TICK)}]
    restart: always
  - name: idle
    nodes: [tokyo]
    command: [sleep, "1000"]
"""
HOLD_S = 0.6


class Faults(FaultsOf):
    """A run with a service that writes what time it is, and the faults of that run."""

    def effect(self, fault: dict[str, Any], name: str = "fault_effect") -> str:
        """What the event says of it."""
        (effect, *_) = self.place.event(name, fault=fault["id"])["effect"]
        return str(effect)

    @property
    def file(self) -> Path:
        """What the service writes."""
        return self.place.runs / "latest" / "data" / "london" / "tick" / "ticks"

    def ticks(self) -> list[tuple[float, int]]:
        """When the service has written, and its pid in the node."""
        text = self.file.read_text() if self.file.exists() else ""  # it is ready before it has written
        lines = [line.split() for line in text.splitlines(keepends=True) if line.endswith("\n")]
        return [(float(at_s), int(pid)) for at_s, pid in lines]

    def ticks_after(self, count: int) -> int:
        """Wait until it has written more than that; how much."""
        return eventually(lambda: len(ticks) if len(ticks := self.ticks()) > count else 0, "another tick")

    def gap(self, since: int) -> tuple[float, int, int]:
        """The longest time for which it has not written from then on, and its pids before and after."""
        later = self.ticks()[max(since - 1, 0) :]
        return max((b - a, pid, next_pid) for (a, pid), (b, next_pid) in pairwise(later))

    def stands_still(self) -> bool:
        """Whether the service writes nothing for a while."""
        before = len(self.ticks())
        time.sleep(0.2)
        return len(self.ticks()) == before

    def node(self, name: str) -> dict[str, Any]:
        """A node's entry of the status."""
        return next(dict(node) for node in self.api.get("/v1/status")["nodes"] if node["name"] == name)


@pytest.fixture(scope="module", params=["own", "unprivileged"])
def faults(request: pytest.FixtureRequest) -> Iterator[Faults]:
    """Of the user who runs the tests, and of an unprivileged one."""
    uid = None if request.param == "own" else request.getfixturevalue("somebody")
    if request.param != "own" and uid == os.getuid():
        pytest.skip("the tests run unprivileged already")
    with open_place(uid) as place:
        place.scenario.write_text(SCENARIO)
        place.up()
        yield Faults(place)
        # Nothing is left of any fault in this file.
        assert not stopped(place)
        place.skyrack("down").expect()
        place.is_clean()


def stopped(place: Place) -> list[int]:
    """Processes of the run that are stopped, and programs that were executed inside of it."""
    outer = json.loads((place.sockets / "small" / "run.json").read_text())["pid"]
    everybody = all_processes()
    within = {outer, *place.processes()}
    while more := {pid for pid, (parent, _) in everybody.items() if parent in within} - within:
        within |= more
    return [pid for pid in within if pid in everybody and everybody[pid][1] == "T"]


def test_a_paused_service_stands_still_and_its_node_does_not(faults: Faults) -> None:
    since = faults.ticks_after(0)
    pid = faults.ticks()[-1][1]
    fault = faults.add("pause", "london/tick", for_s=HOLD_S)
    assert faults.effect(fault) == f"stopped 1 process: python3 (pid {pid})"
    said = faults.place.skyrack("exec", "london", "--", "echo", "goes on").expect()
    assert said.out == "goes on\n"
    assert faults.effect(fault, "fault_undone") == "1 process goes on"
    faults.ticks_after(len(faults.ticks()))
    t0_s = faults.place.status()["t0_monotonic_ns"] / 1e9
    stopped_s = faults.place.event("fault_effect", fault=fault["id"])["run_s"]
    ticks = [(at_s - t0_s, pid) for at_s, pid in faults.ticks()[since - 1 :]]
    assert not [at_s for at_s, _ in ticks if stopped_s < at_s < fault["until_s"]], "it has run meanwhile"
    assert ticks[0][0] < stopped_s, "it has run before"
    assert fault["until_s"] - fault["since_s"] == pytest.approx(HOLD_S)
    assert {its for _, its in ticks} == {pid}


def test_a_service_that_is_restarted_while_paused_is_paused(faults: Faults) -> None:
    fault = faults.add("pause", "london/tick")
    since = len(faults.ticks())
    restarts = service(faults)["restarts"]
    killed = faults.add("kill", "london/tick")
    assert faults.effect(killed).startswith("killed 1 process: python3 (pid ")
    eventually(lambda: service(faults)["restarts"] > restarts and service(faults)["inner_pid"], "another one")
    eventually(lambda: stopped(faults.place), "stopped as well")
    # The first thing that it does takes longer than to be found, where the host lets the finder look.
    assert len(faults.ticks()) - since < 50
    assert faults.stands_still()
    faults.remove(fault)
    faults.ticks_after(len(faults.ticks()))
    assert not stopped(faults.place)


def service(faults: Faults) -> dict[str, Any]:
    """The entry of the ticking one."""
    rows: list[dict[str, Any]] = faults.api.get("/v1/services")["services"]
    return next(row for row in rows if row["service"] == "tick")


def test_a_paused_node_stands_still_and_nobody_takes_it_for_dead(faults: Faults) -> None:
    since = faults.ticks_after(0)
    before = faults.node("london")
    fault = faults.add("pause", "london")
    assert faults.effect(fault).startswith("stopped 2 processes: sky london (pid 1), python3 (pid ")
    # Its kernel goes on: it answers echoes, as that of a machine whose processes are stopped.
    ping = ("ping", "tokyo", "london", "-c", 2)
    eventually(lambda: faults.place.skyrack(*ping).status == 0, "an answer to an echo")
    go = faults.place.directory / "go"
    waits = f"until [ -e {go} ]; do sleep 0.05; done; echo entered"
    entered = faults.place.foreground("exec", "london", "--", "sh", "-c", waits)
    eventually(lambda: len(stopped(faults.place)) >= 3, "who comes later is stopped too, with its child")
    go.touch()
    assert entered.said == ""
    ended_s = faults.ticks()[-1][0]
    faults.remove(fault)
    assert faults.effect(fault, "fault_undone") in ("3 processes go on", "4 processes go on")
    assert "entered" in entered.ends(0)
    go.unlink()
    faults.ticks_after(len(faults.ticks()))
    gap_s, pid, next_pid = faults.gap(since)
    assert gap_s > 0.1
    assert faults.ticks()[-1][0] > ended_s
    assert pid == next_pid
    after = faults.node("london")
    assert (after["restarts"], after["state"]) == (before["restarts"], "serving")


def test_a_node_that_is_killed_while_paused_comes_back_paused(faults: Faults) -> None:
    restarts = faults.node("london")["restarts"]
    fault = faults.add("pause", "london")
    faults.effect(faults.add("kill", "london"))
    eventually(lambda: faults.node("london")["inner_pid"], "its next process")
    eventually(lambda: stopped(faults.place), "stopped as well")
    eventually(faults.stands_still, "and its service, if that had come to be")
    faults.remove(fault)
    faults.place.serves_again()
    assert faults.node("london")["restarts"] == restarts + 1


def test_a_node_gets_a_share_of_a_core(faults: Faults) -> None:
    fault = faults.add("cpu", "tokyo", cpu_ratio=0.2)
    how = faults.effect(fault)
    assert how.startswith("0.2 of a core for 2 processes together, by ")

    # Beside each other: how much is to be had on a busy host is the same for both. Each share holds on average.
    def is_a_fifth() -> bool:
        elsewhere, here = burn(faults.place, "london", "tokyo")
        return 0.3 * min(elsewhere, 0.2) < here < 0.24

    def is_as_elsewhere() -> bool:
        elsewhere, here = burn(faults.place, "london", "tokyo")
        return here > 0.5 * elsewhere

    eventually(is_a_fifth, f"a fifth of a core: {how}", 2 * PATIENCE_S)
    faults.remove(fault)
    assert faults.effect(fault, "fault_undone") == "no share of a core is kept to any more"
    eventually(is_as_elsewhere, "all that there is", 2 * PATIENCE_S)
    assert not stopped(faults.place)
    assert not any("/fault." in line and Path(line).exists() for line in groups(faults.place))


def burn(place: Place, *nodes: str) -> list[float]:
    """The share of a core that a program gets at each node, when it takes all there is."""
    burning = [place.foreground("exec", node, "--", "python3", "-c", BURN, 1.5) for node in nodes]
    return [float(one.ends(0)) for one in burning]


def groups(place: Place) -> list[str]:
    """The control groups that the run has made."""
    record = place.sockets / "small" / "cgroups"
    return record.read_text().splitlines() if record.exists() else []


def test_who_holds_may_be_killed_and_what_is_held_stays_so(faults: Faults) -> None:
    faults.ticks_after(0)
    fault = faults.add("pause", "london/tick")
    faults.effect(fault)
    (holder,) = (pid for pid, line in faults.place.processes().items() if "skyrack.node.holding" in line)
    os.kill(holder, signal.SIGKILL)
    eventually(
        lambda: [
            pid for pid, line in faults.place.processes().items() if "holding" in line and pid != holder
        ],
        "another holder",
    )
    since = len(faults.ticks())
    assert len(stopped(faults.place)) == 1
    faults.remove(fault)
    faults.ticks_after(since)


def test_a_node_that_reboots_is_off_until_its_end_and_its_files_stay(faults: Faults) -> None:
    since = faults.ticks_after(0)
    before = faults.node("london")
    fault = faults.add("reboot", "london")
    assert faults.effect(fault).startswith("killed 2 processes: sky london (pid 1), python3 (pid ")
    ended_s, count = faults.ticks()[-1][0], len(faults.ticks())
    assert faults.node("london")["state"] == "dark"
    refused = faults.add("kill", "london")
    failed = faults.place.event("fault_failed", fault=refused["id"])
    assert failed["reason"] == "nothing runs there at the moment"
    off_s = time.monotonic()
    faults.remove(fault)
    assert faults.effect(fault, "fault_undone") == "started again"
    faults.place.serves_again()
    faults.ticks_after(count)
    assert faults.ticks()[count][0] > off_s > ended_s, "nothing ran before the end"
    assert count >= since, "what it had written is there"
    assert faults.node("london")["restarts"] == before["restarts"] + 1


def test_a_lost_node_comes_back_with_nothing(faults: Faults) -> None:
    faults.ticks_after(0)
    last_s = faults.ticks()[-1][0]
    fault = faults.add("lost", "london")
    effect = faults.place.event("fault_effect", fault=fault["id"])["effect"]
    assert effect[-1].startswith("removed the data of tick: ")
    assert not faults.file.exists()
    assert faults.node("london")["state"] == "lost"
    faults.remove(fault)
    faults.place.serves_again()
    eventually(faults.file.exists, "it runs again")
    faults.ticks_after(0)
    assert faults.ticks()[0][0] > last_s


@pytest.mark.parametrize(
    ("kind", "where", "why"),
    [
        ("reboot", "london/tick", "it acts on a whole node: london"),
        ("lost", "london/tick", "it acts on a whole node: london"),
        ("kill", "london/tack", "no service is called 'tack'"),
        ("pause", "tokyo/tick", "tick is not at tokyo: it is at london"),
    ],
)
def test_what_cannot_be_is_refused_with_the_reason(faults: Faults, kind: str, where: str, why: str) -> None:
    assert why in faults.refused(kind, where)


def test_a_service_inside_of_its_node_cannot_be_had_alone(faults: Faults) -> None:
    faults.api.post("/v1/services", {"name": "inside", "nodes": ["tokyo"], "python": "nowhere:Nothing"})
    assert "tokyo/inside is in the process of its node: take tokyo" in faults.refused("pause", "tokyo/inside")
    faults.api.delete("/v1/services/inside")


@pytest.mark.parametrize("how", ["down", "kill"])
def test_nobody_stays_stopped_when_the_run_ends(how: str) -> None:
    """Stopped in an orderly way, or killed at once."""
    with open_place() as place:
        place.scenario.write_text(SCENARIO)
        place.up()
        faults = Faults(place)
        faults.effect(faults.add("pause", "london"))
        faults.effect(faults.add("cpu", "tokyo", cpu_ratio=0.1))
        assert len(stopped(place)) >= 2
        made = groups(place)
        if how == "kill":
            place.kill("orchestrator")
            eventually(lambda: not place.processes(), "all of the run has ended with it")
        place.skyrack("down").expect()
        place.is_clean()
        assert not any(Path(group).exists() for group in made)
