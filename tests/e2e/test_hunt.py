"""`skyrack hunt` as a user has it: a trial on a real constellation, what is on file, and going on with it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.mesh, pytest.mark.together]

ROOT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-m", "skyrack.orchestrator.cli", "hunt"]


def test_a_hunt_tries_the_service_without_faults_first_and_can_go_on(tmp_path: Path) -> None:
    """One trial, as the time to search is over with it; the resumed hunt knows it and runs none."""
    words = [
        str(ROOT / "deploy/scenarios/register.yaml"),
        "--for",
        "1s",
        "--trial",
        "5s",
        "--out",
        "hunt",
        "-o",
        "json",
    ]
    first = subprocess.run([*COMMAND, *words], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert first.returncode == 0, first.stderr
    report = json.loads(first.stdout)
    assert (report["verdict"], report["trials"], report["finds"]) == ("held", 1, [])
    (line,) = (tmp_path / "hunt" / "trials.jsonl").read_text().splitlines()
    assert json.loads(line)["outcome"]["ok"] > 0, "no operation was answered"
    assert not (tmp_path / "hunt" / "running").exists(), "what nobody keeps is left"
    again = subprocess.run(
        [*COMMAND, "--resume", "hunt", "-o", "json"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert again.returncode == 0, again.stderr
    assert "1 trial known" in again.stderr
    assert json.loads(again.stdout) == report
