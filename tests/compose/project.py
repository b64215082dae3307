"""A compose project under test."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from .docker import PATIENCE_S, Docker

T = TypeVar("T")

ROOT = Path(__file__).parents[2]
COMMITTED = ROOT / "deploy" / "compose.yaml"
OVERRIDE = Path(__file__).with_name("override.yaml")
LABEL = "com.docker.compose.project"
UP_S = 600.0
HTTP_S = 60.0


def eventually(condition: Callable[[], T], what: str, seconds: float = PATIENCE_S) -> T:
    """Wait until the condition holds and return its value."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(0.25)
    return value


@dataclass(frozen=True)
class Project:
    """The committed project with the override, under a name and on ports of its own."""

    docker: Docker
    name: str
    environment: Mapping[str, str] = field(default_factory=dict)

    def run(self, *words: str, timeout_s: float = PATIENCE_S) -> subprocess.CompletedProcess[str]:
        """`docker compose WORDS`, however it ends."""
        return self.docker.run(*self._compose(words), timeout_s=timeout_s, **self.environment)

    def compose(self, *words: str, timeout_s: float = PATIENCE_S) -> str:
        """`docker compose WORDS`; what it printed."""
        return self.docker.out(*self._compose(words), timeout_s=timeout_s, **self.environment)

    def _compose(self, words: tuple[str, ...]) -> list[str]:
        files = [f"--file={file}" for file in (COMMITTED, OVERRIDE)]
        return ["compose", f"--project-name={self.name}", *files, *words]

    def up(self, *services: str) -> None:
        """Up, every service healthy; what the unhealthy ones said when not."""
        done = self.run("up", "--detach", "--wait", *services, timeout_s=UP_S)
        if done.returncode:
            said = self.run("logs", "--tail=15", "--no-color").stdout
            raise AssertionError(f"{done.stderr}\n{said}")

    def skyrack(self, *words: str, timeout_s: float = PATIENCE_S) -> Any:
        """`skyrack WORDS -o json`, carried out in the orchestrator's container."""
        command = ("exec", "-T", "orchestrator", "skyrack", *words, "-o", "json")
        return json.loads(self.compose(*command, timeout_s=timeout_s))

    def states(self) -> dict[str, str]:
        """The state of each inhabited node, as `skyrack status` says it; nothing while nobody answers."""
        done = self.run("exec", "-T", "orchestrator", "skyrack", "status", "-o", "json")
        nodes = json.loads(done.stdout)["nodes"] if done.returncode == 0 else []
        return {node["name"]: node["state"] for node in nodes if node["inhabited"]}

    def all_serve(self) -> bool:
        """Whether every node serves."""
        return set(self.states().values()) == {"serving"}

    def containers(self) -> dict[str, Any]:
        """What the engine knows of each service's container."""
        found = self.docker.out("ps", "--all", "--quiet", f"--filter=label={LABEL}={self.name}").split()
        known = json.loads(self.docker.out("inspect", *found))
        return {one["Config"]["Labels"]["com.docker.compose.service"]: one for one in known}

    def started(self) -> dict[str, str]:
        """When each container was started last."""
        return {service: one["State"]["StartedAt"] for service, one in self.containers().items()}

    def address(self, service: str, port: int) -> tuple[str, int]:
        """Where on this machine a port of the service is published."""
        host, _, number = self.compose("port", service, str(port)).strip().rpartition(":")
        return host, int(number)

    def ask(
        self, service: str, port: int, path: str, *, body: Any = None, token: str | None = None
    ) -> tuple[int, str]:
        """GET, or POST when there is a body, from this machine; status and text."""
        host, number = self.address(service, port)
        request = urllib.request.Request(
            f"http://{host}:{number}{path}",
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {token}"} if token else {},
        )
        try:
            with urllib.request.urlopen(request, timeout=HTTP_S) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def query(self, expression: str) -> list[dict[str, Any]]:
        """What Prometheus answers to an instant query."""
        status, text = self.ask("prometheus", 9090, f"/api/v1/query?query={urllib.parse.quote(expression)}")
        assert status == 200, text
        found: list[dict[str, Any]] = json.loads(text)["data"]["result"]
        return found

    def down(self) -> None:
        """Down, with everything that is the project's."""
        self.compose("--profile", "*", "down", "--volumes", "--remove-orphans", timeout_s=UP_S)

    def left(self) -> list[str]:
        """Containers, volumes and networks that carry the project's name."""
        label = f"--filter=label={LABEL}={self.name}"
        return [
            f"{kind} {name}"
            for kind, words in (
                ("container", ["ps", "--all"]),
                ("volume", ["volume", "ls"]),
                ("network", ["network", "ls"]),
            )
            for name in self.docker.out(*words, label, "--quiet").split()
        ]
