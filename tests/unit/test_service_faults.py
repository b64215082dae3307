"""What a service asks for with `faults`, and whether its program can have a clock of its own."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

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
