"""Nodes as containers: real first processes in namespaces of their own, a stand-in fabric and orchestrator around."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from skyrack.v1 import namespaces, node_init

from .node_stand_ins import (
    NETWORK,
    PATIENCE_S,
    StandInFabric,
    StandInOrchestrator,
    address_of,
    eventually,
    informed,
)
from .records import whole_records

ROOT = Path(__file__).parents[2]
IMAGE_USER = 1000
# What compose adds after `cap_drop: [ALL]`.
CAPABILITIES = ("net_admin", "setgid", "setuid")
_NAMESPACES = ("--pid", "--mount", "--mount-proc", "--net", "--fork", "--kill-child")


@dataclass
class Container:
    """One container and its standard error, as records."""

    name: str
    process: asyncio.subprocess.Process
    stderr: bytearray = field(default_factory=bytearray)
    heard: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def log(self) -> list[dict[str, Any]]:
        """Its log lines so far."""
        return whole_records(self.stderr)

    def said(self, message: str) -> list[dict[str, Any]]:
        """The fields of its records with this message."""
        return [record["fields"] for record in self.log if record["msg"] == message]

    def signal(self, signum: int) -> None:
        """To the first process inside, as an engine does; unshare waits for it outside."""
        outside = self.process.pid
        for pid in Path(f"/proc/{outside}/task/{outside}/children").read_text().split():
            os.kill(int(pid), signum)

    async def listen(self) -> None:
        assert self.process.stderr is not None
        while data := await self.process.stderr.read(65536):
            self.stderr += data
        self.heard.set()

    async def ended(self) -> int:
        """Its exit status, once all that it said is here as well."""
        await self.heard.wait()
        return await self.process.wait()


@dataclass
class ContainerWorld:
    """A mesh directory with everything around the containers of one test. `root`: as an engine run by root has it."""

    root: bool
    mesh_dir: Path
    fabric: StandInFabric
    orchestrator: StandInOrchestrator
    containers: list[Container] = field(default_factory=list)
    _listening: list[asyncio.Task[None]] = field(default_factory=list)

    @property
    def uid(self) -> int:
        """Whom the first process becomes, as its namespace counts."""
        return IMAGE_USER if self.root else 0

    def configure(self, name: str, **changes: object) -> None:
        """Write a node's configuration, whole or not at all."""
        config = {
            "name": name,
            "kind": "satellite",
            "index": int(name[1:]),
            "run": "test",
            "address": address_of(name),
            "network": NETWORK,
            "socket_dir": str(self.mesh_dir),
            "hosts_file": str(self.mesh_dir / "hosts"),
        } | changes
        path = self.mesh_dir / "nodes" / f"{name}.json"
        fresh = path.with_suffix(".new")
        fresh.write_text(json.dumps(config))
        self.own(fresh)
        fresh.rename(path)

    def own(self, *paths: Path) -> None:
        """Have the image's user own what the test made."""
        if self.root:
            for path in paths:
                os.chown(path, IMAGE_USER, IMAGE_USER)

    async def start(
        self, name: str, *arguments: str, capabilities: Sequence[str] = CAPABILITIES, uid: int | None = None
    ) -> Container:
        """Run a container's first process, with or without a configuration."""
        uid = self.uid if uid is None else uid
        etc = Path(tempfile.mkdtemp(dir=self.mesh_dir.parent, prefix="etc-"))
        for file in ("hosts", "resolv.conf"):
            (etc / file).write_text("127.0.0.1 engine's\n")
        spec = {
            "etc": str(etc),
            "visible": [str(ROOT), sys.prefix, sys.base_prefix, str(self.mesh_dir)],
            "capabilities": list(capabilities) if self.root else None,
            "command": [
                sys.executable, "-m", "skyrack.node.container", name, "--mesh-dir", str(self.mesh_dir),
                "--main", "ground=skyrack.groundstation.main",
                "--worker", "load=skyrack.groundstation.load.worker",
                "--worker", "wait=tests.integration.container_worker",
                "--uid", str(uid), "--gid", str(uid), *arguments,
            ],
        }  # fmt: skip
        user = () if self.root else ("--user", "--map-root-user")
        process = await asyncio.create_subprocess_exec(
            "unshare", *user, *_NAMESPACES, sys.executable, "-m", "tests.integration.in_container", json.dumps(spec),
            stderr=subprocess.PIPE, cwd=ROOT,
        )  # fmt: skip
        container = Container(name, process)
        self.containers.append(container)
        self._listening.append(asyncio.create_task(container.listen(), name=f"listen to {name}"))
        return container

    async def run(self, name: str, **changes: object) -> Container:
        """Configure and start a node, and wait until it joined and knows what it was told."""
        before = self.orchestrator.joined.count(name)
        self.configure(name, **changes)
        container = await self.start(name)
        await eventually(
            lambda: self.orchestrator.joined.count(name) > before,
            f"{name} joins; {container.stderr.decode()}",
        )
        await informed(self.mesh_dir, name)
        return container

    def node_pid(self, name: str) -> int:
        """The node process, as this test sees it."""
        return namespaces.pid_of_socket(self.mesh_dir / "nodes" / f"{name}.sock")

    def init_socket(self, name: str) -> Path:
        return node_init.init_socket(self.mesh_dir, name)

    def connect(self, name: str) -> socket.socket:
        """A connection to a container's init, with a time-out so that no test hangs."""
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        sock.settimeout(PATIENCE_S)
        sock.connect(os.fspath(self.init_socket(name)))
        return sock

    async def close(self) -> None:
        """Kill what is left."""
        for container in self.containers:
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has ended by itself
                container.signal(signal.SIGKILL)
            await container.process.wait()
        for task in self._listening:
            await task


@contextlib.asynccontextmanager
async def open_container_world(*, root: bool) -> AsyncIterator[ContainerWorld]:
    """A mesh directory as the volume of a compose project is: the image's user's alone."""
    with tempfile.TemporaryDirectory(prefix="skyrack-") as directory:
        os.chmod(directory, 0o755)
        mesh_dir = Path(directory, "mesh")
        (mesh_dir / "nodes").mkdir(parents=True)
        hosts = mesh_dir / "hosts"
        hosts.write_text("127.0.0.1 localhost\n100.64.0.3 n2\n")
        for path in (mesh_dir, mesh_dir / "nodes"):
            path.chmod(0o700)
        fabric = StandInFabric(mesh_dir / "fabric.sock")
        orchestrator = StandInOrchestrator(mesh_dir / "control.sock")
        world = ContainerWorld(root, mesh_dir, fabric, orchestrator)
        fabric.start()
        await orchestrator.start()
        world.own(mesh_dir, mesh_dir / "nodes", hosts, fabric.path, orchestrator.path)
        try:
            yield world
        finally:
            await world.close()
            await orchestrator.stop()
            fabric.stop()
