"""The pytest plugin as a user has it: a pytest of its own, with tests that pass, fail, and are killed."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from skyrack.orchestrator.testing import (
    CallFailedError,
    CommandFailedError,
    Constellation,
    Skyrack,
    UpFailedError,
    Way,
)

from .place import PATIENCE_S, QUICK, eventually

pytestmark = [pytest.mark.mesh, pytest.mark.together]

SCENARIO = """\
version: 1
name: pair
extends: iridium
inhabited: [p0s00, p0s01]
ground: []
"""
TESTS = """\
import pytest

@pytest.fixture(scope="module")
def pair(skyrack_module):
    return skyrack_module.up("pair.yaml", "--broker", "none")

def test_passes(pair):
    assert pair.exec("p0s00", ["hostname"]).stdout == "p0s00\\n"

def test_fails(pair):
    pair.kill("p0s01")
    pair.wait_for("node_exited")
    assert pair.nodes() == []

def test_is_interrupted(skyrack):
    skyrack.up("pair.yaml", "--broker", "none")
    print("UP", flush=True)
    skyrack.constellations[0].wait_for("never", timeout_s=1000)
"""


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Path]:
    """A user's directory with tests; nothing of its constellations is left afterwards."""
    (tmp_path / "pair.yaml").write_text(SCENARIO)
    (tmp_path / "test_pair.py").write_text(TESTS)
    yield tmp_path
    for directory in sockets(tmp_path):
        subprocess.run(
            [sys.executable, "-m", "skyrack.orchestrator.cli", "down", "--all"],
            env={**os.environ, "SKYRACK_SOCKET_DIR": directory}, check=False,
        )  # fmt: skip
        shutil.rmtree(directory, ignore_errors=True)


def start(project: Path, *options: str, within: tuple[str, ...] = ()) -> subprocess.Popen[str]:
    command = [
        sys.executable,
        "-m",
        "pytest",
        *QUICK,
        f"--basetemp={project / 'tmp'}",
        *options,
    ]
    return subprocess.Popen(
        [*within, *command], cwd=project, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def run(project: Path, *options: str, within: tuple[str, ...] = ()) -> str:
    with start(project, *options, within=within) as process:
        try:
            return process.communicate(timeout=2 * PATIENCE_S)[0]
        finally:
            process.kill()


def processes(project: Path) -> list[int]:
    """Of the constellations of a project's tests: their command lines have its directory."""
    mark, found = os.fsencode(project / "tmp"), []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdecimal() and mark in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
    return found


def sockets(project: Path) -> set[str]:
    """Socket directories of those processes."""
    found = set()
    for pid in processes(project):
        with contextlib.suppress(OSError):
            text = Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace")
            found |= {match[1] for match in re.finditer(r"SKYRACK_SOCKET_DIR=([^\0]+)", text)}
    return found


def test_a_failure_tells_what_its_constellation_went_through_and_how_to_look_at_it(project: Path) -> None:
    said = run(project, "-k", "passes or fails", "-n", "2", "--skyrack-keep")
    assert "1 failed, 1 passed" in said, said
    assert re.search(r"\d s  p0s01 ended: killed by SIGKILL", said), said
    ((run_name, files),) = re.findall(r"-+ skyrack (test-gw\d-\d+-\d+) -+\nfiles: (\S+)", said)
    assert {"events.jsonl", "scenario.yaml", "logs"} <= {path.name for path in Path(files).iterdir()}
    assert len(sockets(project)) == 1, "only that of the test that failed is left"
    (directory,) = re.findall(rf"left up: SKYRACK_SOCKET_DIR=(\S+) skyrack status --run {run_name}", said)
    for verb, expected in (("status", "p0s00"), ("down", f"{run_name} is down")):
        done = subprocess.run(
            [sys.executable, "-m", "skyrack.orchestrator.cli", verb, "--run", run_name],
            env={**os.environ, "SKYRACK_SOCKET_DIR": directory}, capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert expected in done.stdout
    eventually(lambda: not processes(project), "nothing left")


def test_constellations_end_with_a_pytest_that_is_killed(project: Path) -> None:
    process = start(project, "-k", "interrupted", "-s")
    assert process.stdout is not None
    for line in process.stdout:
        if "UP" in line:
            break
    assert processes(project)
    process.kill()
    process.communicate(timeout=PATIENCE_S)
    eventually(lambda: not processes(project), "nothing left")


def test_a_machine_that_cannot_have_constellations_skips_tests_if_that_is_wanted(project: Path) -> None:
    within = (
        "unshare",
        "--user",
        "--map-root-user",
        "sh",
        "-c",
        'echo 0 >/proc/sys/user/max_pid_namespaces; exec "$@"',
        "sh",
    )
    said = run(project, "-k", "passes", "--skyrack-skip", "-rs", within=within)
    assert "1 skipped" in said, said
    assert "no constellation can be had here: cannot create namespaces" in said


# The object itself


@pytest.fixture(scope="module")
def pair(skyrack_module: Skyrack) -> Constellation:
    return skyrack_module.up(SCENARIO, "--broker", "none")


def add(a: int, b: int) -> int:
    print("adding")
    if b == 0:
        raise ZeroDivisionError("nothing to add")
    return a + b


async def name() -> str:
    return os.uname().nodename


def test_functions_are_called_in_a_node(pair: Constellation, capsys: pytest.CaptureFixture[str]) -> None:
    assert pair.call("p0s01", add, 2, b=3) == 5
    assert "adding" in capsys.readouterr().err
    assert pair.call("p0s01", name) == "p0s01"
    with pytest.raises(ZeroDivisionError, match="nothing to add") as caught:
        pair.call("p0s01", add, 2, 0)
    assert "in p0s01:\nTraceback" in caught.value.__notes__[0]
    with pytest.raises(CallFailedError, match="top level"):
        pair.call("p0s01", lambda: 1)
    with pytest.raises(CallFailedError, match="arguments"):
        pair.call("p0s01", add, lambda: 1, 2)


def test_programs_are_run_in_a_node(pair: Constellation) -> None:
    assert pair.exec("p0s00", ["cat"], stdin="word").stdout == "word"
    with pytest.raises(CommandFailedError, match=r"(?s)exit status 3.*--- stderr ---\nwhy"):
        pair.exec("p0s00", ["sh", "-c", "echo why >&2; exit 3"])
    with pair.popen(
        "p0s00", ["sh", "-c", "echo up; exec sleep 100"], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        process.terminate()
        assert process.wait() == 128 + signal.SIGTERM


def test_faults_act_as_long_as_the_context_lasts(pair: Constellation) -> None:
    way = pair.path("p0s00", "p0s01")
    assert way is not None
    assert way.links == ("p0s00-p0s01",)
    with pair.fault("latency", link=way.links, extra_s=0.05):
        (probe,) = pair.ping("p0s00", "p0s01")
        assert probe.measured_s is not None
        assert probe.measured_s > way.rtt_s + 0.1
    eventually(lambda: at_the_speed_of_light(pair, way), "a probe as quick as before")
    fault = pair.fault_add("dark", node="p0s01", for_s=0.05)
    pair.wait_for("fault_ended", fault=fault)
    pair.fault_remove(fault)


def at_the_speed_of_light(pair: Constellation, way: Way) -> bool:
    (probe,) = pair.ping("p0s00", "p0s01")
    assert probe.measured_s is not None
    assert way.rtt_s < probe.measured_s
    return probe.measured_s < way.rtt_s + 0.05


def test_a_scenario_that_is_wrong_is_said_as_by_the_command(skyrack: Skyrack) -> None:
    with pytest.raises(UpFailedError, match=r"given\.yaml:3:1: error: unknown key 'colour'"):
        skyrack.up("version: 1\nextends: iridium\ncolour: red\n")
    assert skyrack.constellations == []
