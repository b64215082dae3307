"""Programs that somebody has run in a node: what they inherit, and what is said of one that cannot be had."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


def become(*command: str) -> subprocess.CompletedProcess[str]:
    code = (
        "import os, sys; from skyrack.v1.become import become; become(sys.argv[1:], os.environ, speaker='us')"
    )
    return subprocess.run([sys.executable, "-c", code, *command], capture_output=True, text=True, check=False)


def test_a_program_that_writes_to_nobody_ends_of_it_in_silence() -> None:
    ended = become("sh", "-c", "yes | head -n 1")
    assert (ended.stdout, ended.stderr) == ("y\n", "")


@pytest.mark.parametrize(
    ("mode", "status", "why"), [(None, 127, "not found"), (0o644, 126, "Permission denied")]
)
def test_a_program_that_cannot_be_had_is_said_with_the_status_of_a_shell(
    tmp_path: Path, mode: int | None, status: int, why: str
) -> None:
    program = tmp_path / "program"
    if mode is not None:
        program.touch(mode)
    ended = become(str(program))
    assert (ended.returncode, ended.stderr) == (status, f"us: {program}: {why}\n")
