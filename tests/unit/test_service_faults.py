"""What a service asks for with `faults`, and whether its program can have a clock of its own."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from pydantic import ValidationError

from skyrack.orchestrator.faults.hold import AS_EVER, Hold
from skyrack.orchestrator.runtime.hands.local_data import LocalData
from skyrack.orchestrator.runtime.services.disks import DiskError, Disks
from skyrack.orchestrator.runtime.services.elf import why_not_preloaded, without
from skyrack.orchestrator.runtime.services.prepared import ContainedRoom
from skyrack.orchestrator.runtime.services.specs import Room, spec
from skyrack.orchestrator.scenario import Service
from skyrack.orchestrator.scenario.templates import Member

LONDON = Member("london", "100.64.0.1", 0, "100.64.0.1")


def _service(**keys: object) -> Service:
    return Service.model_validate({"name": "s", "nodes": ["london"], "command": ["true"], **keys})


def test_a_python_service_has_a_disk_but_the_clock_of_its_node() -> None:
    python = {"command": None, "python": "module:Class"}
    assert _service(**python, faults=["disk"]).faults == ("disk",)
    with pytest.raises(
        ValidationError, match="runs inside the node process, which has the clock of all nodes"
    ):
        _service(**python, faults=["clock"])
    with pytest.raises(ValidationError):
        _service(faults=["memory"])


@pytest.mark.parametrize("image", [None, "redis"])
def test_in_a_container_it_is_said_that_neither_can_be_had(image: str | None) -> None:
    _, group = ContainedRoom().prepare("london", _service(image=image, faults=["disk", "clock"]))
    assert "faults: [disk]: not in a container, which gets neither /dev/fuse nor" in "; ".join(group.notes)
    assert "faults: [clock]: not in a container" in "; ".join(group.notes)


def test_a_library_of_the_scenario_s_own_is_loaded_after_the_clock_s() -> None:
    room = Room(environment={"LD_PRELOAD": "clock.so", "LC_NUMERIC": "C"})
    service = _service(env={"LD_PRELOAD": "own.so", "LC_NUMERIC": "de_DE"})
    told = spec(service, LONDON, {"s": [LONDON]}, room, run="r", generation=1)
    assert dict(told.environment) == {"LD_PRELOAD": "clock.so:own.so", "LC_NUMERIC": "de_DE"}


def test_a_script_is_what_its_interpreter_is(tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text(f"#!/usr/bin/env {sys.executable}\n")
    script.chmod(0o755)
    assert why_not_preloaded(str(script)) is None
    assert why_not_preloaded(sys.executable) is None
    assert why_not_preloaded("no-such-program") is None, "the node says so"


@pytest.mark.skipif(shutil.which("etcd") is None, reason="etcd is not installed")
def test_a_go_program_does_not_ask_the_c_library(tmp_path: Path) -> None:
    assert "is a Go program" in (why_not_preloaded("etcd") or "")
    script = tmp_path / "script"
    script.write_text(f"#!{shutil.which('etcd')}\n")
    script.chmod(0o755)
    assert "is a Go program" in (why_not_preloaded(str(script)) or "")


def test_a_static_program_loads_nothing(tmp_path: Path) -> None:
    # The smallest ELF file there is: a header, no segment that names an interpreter, no section.
    program = tmp_path / "static"
    program.write_bytes(b"\x7fELF\x02\x01" + bytes(58))
    program.chmod(0o755)
    assert "is linked statically" in (why_not_preloaded(str(program)) or "")


def test_what_is_no_library_is_not_changed() -> None:
    with pytest.raises(ValueError, match="not a 64-bit ELF file"):
        without(b"text", ["f"])


class Told:
    """Room whose disk takes longer for the first thing that it is told, as one that is busy may."""

    def __init__(self) -> None:
        self.disks = self
        self.clocks: dict[object, float] = {}
        self.asked = 0
        self.done: list[float] = []

    def __contains__(self, key: object) -> bool:
        return True

    async def tell(self, key: object, op: str, **fields: Any) -> dict[str, Any]:
        """Do it."""
        self.asked += 1
        for _ in range(5 // self.asked):
            await asyncio.sleep(0)
        self.done.append(fields["fsync_s"])
        return {}


def test_faults_of_a_node_and_of_its_service_at_once_end_as_both_together() -> None:
    room = Told()
    entry = SimpleNamespace(member=SimpleNamespace(node="london"), service=SimpleNamespace(name="s"))
    node = SimpleNamespace(name="london", index=0)
    book = SimpleNamespace(by_index={0: node}, by_name={"london": node})
    services = SimpleNamespace(at=lambda name: {"s": entry})
    data = LocalData(cast(Any, room), cast(Any, book), cast(Any, services))

    async def both() -> None:
        await asyncio.gather(
            data.hold((0, ""), AS_EVER, Hold(fsync_s=1.0)), data.hold((0, "s"), AS_EVER, Hold(fsync_s=2.0))
        )

    asyncio.run(both())
    assert room.done[-1] == 3.0


def test_an_answer_that_came_too_late_is_not_taken_for_the_next_one(tmp_path: Path) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    disks = Disks(tmp_path / "log", tmp_path, tmp_path / "record", lambda status: None)
    disks._socket = ours
    ours.settimeout(0.01)
    with ours, theirs:
        with pytest.raises(DiskError, match="has not answered within"):
            disks.ask(1, "drop")
        first = json.loads(theirs.recv(65_536))
        theirs.send(json.dumps({"request": first["request"], "ok": True, "files": 7}).encode())
        theirs.send(json.dumps({"request": first["request"] + 1, "ok": True, "files": 1}).encode())
        assert disks.ask(1, "drop") == {"files": 1}
