"""A run in parts, as containers are: orchestrator, fabric and nodes started by hand, meeting in directories only."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from skyrack.orchestrator.api.client import ApiClient, ApiError

ROOT = Path(__file__).parents[2]
SKYRACK = Path(sys.executable).with_name("skyrack")
NAME = "parts"
SCENARIO = """\
version: 1
name: small
extends: iridium
inhabited: [p0s00]
ground: [london, tokyo]
"""
NODES = ("london", "tokyo", "p0s00")
PATIENCE_S = 120.0
USER = () if os.getuid() == 0 else ("--user", "--map-root-user")
_NAMESPACES = ("--pid", "--mount", "--mount-proc", "--net", "--fork", "--kill-child")


class Parts:
    """The directories and what runs in them, by name: orchestrator, fabric, and the nodes."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.mesh = directory / "mesh"
        self.scenario = directory / "scenario.yaml"
        self.scenario.write_text(SCENARIO)
        self.port = 0  # of the orchestrator's HTTP
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        for name in ("run", "mesh", "fabric", "broker", "runs", "etc"):
            (directory / name).mkdir(mode=0o700)
        for name in ("hosts", "resolv.conf"):
            (directory / "etc" / name).write_text("127.0.0.1 localhost\n")
        self.api = ApiClient(directory / "run" / NAME, PATIENCE_S)
        self.environment = os.environ | {"SKYRACK_SOCKET_DIR": str(directory / "run")}

    def start(self, name: str) -> subprocess.Popen[bytes]:
        """Start, or start again."""
        control = self.directory / "fabric" / "control.sock"
        match name:
            case "orchestrator":
                command = [
                    "-m", "skyrack.orchestrator.runtime.container", "--run", NAME,
                    "--scenario", str(self.scenario), "--mesh-dir", str(self.mesh),
                    "--fabric-socket", str(control), "--runs", str(self.directory / "runs"),
                    *(("--listen", f"127.0.0.1:{self.port}") if self.port else ()),
                    "--broker-dir", str(self.directory / "broker"),
                ]  # fmt: skip
            case "fabric":
                command = [
                    "-m", "skyrack.orchestrator.fabric", "--connect", str(control),
                    "--directory", str(self.mesh), "--user", str(os.getuid()),
                ]  # fmt: skip
            case _:
                node = [sys.executable, "-m", "skyrack.node.container", name, "--mesh-dir", str(self.mesh)]
                node += ["--main", "ground=skyrack.groundstation.main", "--uid", "0", "--gid", "0"]
                spec = {"etc": str(self.directory / "etc"), "capabilities": None, "command": node}
                command = ["-m", "tests.integration.in_container", json.dumps(spec)]
        within = () if name in ("orchestrator", "fabric") else ("unshare", *USER, *_NAMESPACES)
        with self.log(name).open("ab") as log:
            process = subprocess.Popen(
                [*within, sys.executable, *command], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                cwd=ROOT, env=self.environment,
            )  # fmt: skip
        self._running[name] = process
        return process

    def end(self, name: str, number: int = signal.SIGKILL) -> int:
        """Send a signal and wait for the end; the exit status."""
        process = self._running[name]
        process.send_signal(number)
        return process.wait(PATIENCE_S)

    def ended(self, name: str) -> int:
        """Wait until it ends by itself; the exit status."""
        return self._running[name].wait(PATIENCE_S)

    def log(self, name: str) -> Path:
        """What it has said."""
        return self.directory / f"{name}.log"

    def status(self) -> dict[str, Any]:
        """GET /v1/status; "unknown" for the fabric's scheduler while nobody answers."""
        try:
            answer: dict[str, Any] = self.api.get("/v1/status")
        except ApiError:
            return {"nodes": [], "state": "", "fabric": {"scheduler": "unknown"}}
        return answer

    def node(self, name: str) -> dict[str, Any]:
        """A node's entry."""
        return next((node for node in self.status()["nodes"] if node["name"] == name), {"state": "unknown"})

    def await_all(self) -> dict[str, Any]:
        """Wait until the run is ready and every node serves; its status."""
        eventually(lambda: self.status()["state"] == "up", "ready", self.logs)
        eventually(lambda: all(self.node(n)["state"] == "serving" for n in NODES), "all serve", self.logs)
        return self.status()

    def logs(self) -> str:
        """Everything anybody said."""
        return "\n".join(f"== {path.name}\n{path.read_text()}" for path in self.directory.glob("*.log"))

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command of the command line."""
        return subprocess.run(
            [str(SKYRACK), *arguments], capture_output=True, text=True, env=self.environment,
            cwd=self.directory, timeout=PATIENCE_S, check=False,
        )  # fmt: skip

    def skyrack(self, *arguments: str) -> str:
        """Run a command of the command line that succeeds; its output."""
        done = self.run(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr + self.logs()
        return done.stdout

    def close(self) -> None:
        """Kill what is left."""
        for name, process in self._running.items():
            if process.poll() is None:
                self.end(name)


@contextlib.contextmanager
def open_parts() -> Iterator[Parts]:
    """Directories with nobody in them yet."""
    with tempfile.TemporaryDirectory(prefix="sr-", dir="/tmp") as directory:
        parts = Parts(Path(directory))
        try:
            yield parts
        finally:
            parts.close()


def eventually(condition: Callable[[], bool], what: str, context: Callable[[], str] = str) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f"never happened: {what}\n{context()}"
        time.sleep(0.05)
