"""`skyrack up --runtime compose`: the command of this machine, and the run in containers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from .project import OVERRIDE, Project

SKYRACK = Path(sys.executable).with_name("skyrack")
NAME = "test-up"
SCENARIO = f"""\
version: 1
name: {NAME}
extends: iridium
inhabited: {{count: 2}}
ground: [london, tokyo]
"""

Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def skyrack(built: Project, tmp_path: Path) -> Iterator[Command]:
    """The command, in a place of its own."""
    environment = {
        **os.environ, **built.docker.environment, **built.environment, "SKYRACK_SOCKET_DIR": str(tmp_path / "s"),
    }  # fmt: skip

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [SKYRACK, *words],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done

    yield run
    replace(built, name=f"skyrack-{NAME}").run("down", "--volumes", "--remove-orphans", timeout_s=120)


@pytest.mark.timeout(900)
def test_a_run_in_containers_answers_the_same_commands(
    built: Project, skyrack: Command, tmp_path: Path
) -> None:
    """A command takes a run in containers for none, does something else there, or `down` leaves something behind."""
    (tmp_path / "scenario.yaml").write_text(SCENARIO)
    words = [
        "up",
        "scenario.yaml",
        "--runtime",
        "compose",
        "--detach",
        "--compose-file",
        str(OVERRIDE),
    ]
    assert "skyrack ping" in skyrack(*words).stdout
    nodes: list[dict[str, Any]] = json.loads(skyrack("status", "-o", "json").stdout)["nodes"]
    assert [node["state"] for node in nodes if node["inhabited"]] == ["serving"] * 4
    assert "4 received" in skyrack("ping", "london", "tokyo", "-i", "50ms").stdout
    assert " 0% packet loss" in skyrack("exec", "london", "--", "ping", "-c", "1", "tokyo").stdout
    assert "serving" in skyrack("logs", "london").stdout
    assert skyrack("down").stdout.strip() == f"{NAME} is down"
    assert replace(built, name=f"skyrack-{NAME}").left() == []
    assert list((tmp_path / "runs" / "latest").glob("events.jsonl"))
