"""`skyrack init --service`: what it writes runs as its README says, its tests beside a run of the user's."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from .place import PATIENCE_S, QUICK, SKYRACK, Place, eventually

pytestmark = [pytest.mark.mesh, pytest.mark.together]


def test_the_example_does_what_its_readme_says(place: Place) -> None:
    place.skyrack("init", "--service", "hello").expect()
    directory = place.directory / "hello"
    assert "hello has README.md" in place.skyrack("init", "--service", "hello").expect(2).err
    environment = {
        **os.environ,
        "PATH": f"{SKYRACK.parent}:{os.environ['PATH']}",
    }
    tests = subprocess.Popen(
        [sys.executable, "-m", "pytest", *QUICK, f"--basetemp={place.directory / 'tmp'}"],
        cwd=directory, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    place.skyrack("up", "-d", cwd=directory).expect()
    place.environment["PATH"] = environment["PATH"]
    asked = place.skyrack(
        "exec", "london", "--", "python3", "ask.py", "p0s03:50051", "5", cwd=directory
    ).expect()
    told = re.fullmatch(r"5 after (\d+\.\d) ms\n", asked.out)
    assert told, asked.out
    assert float(told[1]) > 100.0, "light has not been there and back in that time"
    (directory / "counter.py").write_text(
        (directory / "counter.py").read_text().replace("at %d over", "counts %d at")
    )
    place.skyrack("service", "restart", "counter").expect()
    eventually(
        lambda: re.search(r"counts 5 at -?\d+\.\d, ", place.skyrack("logs", "p0s03", "counter").expect().out),
        "it says where it is",
    )
    place.skyrack("down").expect()
    said = tests.communicate(timeout=2 * PATIENCE_S)[0]
    assert "3 passed" in said, said


def test_what_is_generated_is_what_the_readmes_command_makes(tmp_path: Path) -> None:
    from skyrack.orchestrator.cli.init_service import EXAMPLE

    command = "-m grpc_tools.protoc -I . --python_out=. --grpc_python_out=. counter.proto"
    assert f"python {command}" in (EXAMPLE / "README.md").read_text()
    (tmp_path / "counter.proto").write_text((EXAMPLE / "counter.proto").read_text())
    subprocess.run([sys.executable, *command.split()], cwd=tmp_path, check=True)
    for name in ("counter_pb2.py", "counter_pb2_grpc.py"):
        assert (tmp_path / name).read_text() == (EXAMPLE / name).read_text(), name
