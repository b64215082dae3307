"""`skyrack up --runtime compose`: the command of this machine, and the run in containers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

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


@dataclass(frozen=True)
class Command:
    """The command, in a place of its own."""

    directory: Path
    environment: dict[str, str]

    def start(self, *words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [SKYRACK, *words], cwd=self.directory, env=self.environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def __call__(self, *words: str) -> str:
        """What it printed."""
        process = self.start(*words)
        out, err = process.communicate(timeout=300)
        assert process.returncode == 0, out + err
        return out


@pytest.fixture
def skyrack(built: Project, tmp_path: Path) -> Iterator[Command]:
    """The command."""
    environment = {**built.docker.environment, **built.environment, "SKYRACK_SOCKET_DIR": str(tmp_path / "s")}
    yield Command(tmp_path, {**os.environ, **environment})
    replace(built, name=f"skyrack-{NAME}").run("down", "--volumes", "--remove-orphans", timeout_s=120)


def forwards(skyrack: Command, node: str) -> None:
    """Fail unless a local port leads to the node's gRPC server, with the way told and the end by Ctrl-C."""
    with skyrack.start("forward", "london", f"{node}:50051", "--port", "0") as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert f"-> london -> {node}:50051   " in line
            assert "ms there and back now: london > " in line
            port = int(line.partition(" ")[0].rpartition(":")[2])
            with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
                health: Any = health_pb2_grpc.HealthStub
                assert health(channel).Check(health_pb2.HealthCheckRequest(), timeout=20).status == 1
            process.send_signal(signal.SIGINT)
            assert process.wait(20) == 0
        finally:
            process.kill()


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
    assert "skyrack ping" in skyrack(*words)
    nodes: list[dict[str, Any]] = json.loads(skyrack("status", "-o", "json"))["nodes"]
    assert [node["state"] for node in nodes if node["inhabited"]] == ["serving"] * 4
    assert "4 received" in skyrack("ping", "london", "tokyo", "-i", "50ms")
    assert " 0% packet loss" in skyrack("exec", "london", "--", "ping", "-c", "1", "tokyo")
    assert "serving" in skyrack("logs", "london")
    forwards(skyrack, next(node["name"] for node in nodes if node["inhabited"]))
    assert skyrack("down").strip() == f"{NAME} is down"
    assert replace(built, name=f"skyrack-{NAME}").left() == []
    assert list((tmp_path / "runs" / "latest").glob("events.jsonl"))
