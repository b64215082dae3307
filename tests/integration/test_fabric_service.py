"""A fabric that somebody else starts, as in a container: before, between and after its orchestrators."""

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest

from skyrack.orchestrator.fabric import handover
from skyrack.orchestrator.runtime.awaited_fabric import AwaitedFabric

from .mesh_world import MeshWorld, Row, until
from .test_fabric_process import Pinger, tcp_pair

pytestmark = [pytest.mark.mesh, pytest.mark.together]

GONE = "fabric: the orchestrator has gone: the mesh is dark"
USER = 1000 if os.getuid() == 0 else os.getuid()


@pytest.fixture(autouse=True)
def _tun() -> None:
    if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        pytest.skip("needs a writable /dev/net/tun")


@pytest.fixture
def directory() -> Path:
    """What the containers share; the fabric's user may write to it."""
    path = Path(tempfile.mkdtemp(prefix="mesh-"))
    if os.getuid() == 0:
        os.chown(path, USER, USER)
    return path


class Contained:
    """A fabric as a container starts it, and what it says."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.log = directory / "container.log"
        self._processes: list[asyncio.subprocess.Process] = []

    @property
    def process(self) -> asyncio.subprocess.Process:
        """The newest one."""
        return self._processes[-1]

    @property
    def said(self) -> list[str]:
        """Its lines so far, of all its processes."""
        return self.log.read_text().splitlines()

    def status(self) -> dict[str, str]:
        """What the kernel says about the process."""
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        return dict(line.split(":", 1) for line in text.splitlines())

    def rests(self) -> int:
        """How many times it has gone to sleep."""
        return int(self.status()["voluntary_ctxt_switches"])

    def cpu_s(self) -> float:
        """CPU time it has had."""
        return int(Path(f"/proc/{self.process.pid}/schedstat").read_text().split()[0]) / 1e9

    async def start(self) -> None:
        """Like `docker start`."""
        with self.log.open("ab") as out:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "skyrack.orchestrator.fabric",
                "--connect", str(self.directory / "control"), "--directory", str(self.directory),
                "--user", str(USER), stdout=out, stderr=out,
            )  # fmt: skip
        self._processes.append(process)

    async def close(self) -> None:
        """End it."""
        for process in self._processes:
            if process.returncode is None:
                process.kill()
            await process.wait()


async def orchestrate(world: MeshWorld) -> None:
    """Have the world's fabric, as an orchestrator does that is the same user as the fabric."""
    serving = asyncio.create_task(world.start_fabric())
    await until(lambda: (world.directory / "control").exists(), "it listens")
    os.chown(world.directory / "control", USER, USER)
    await serving


@contextlib.asynccontextmanager
async def contained(directory: Path, row: Row) -> AsyncIterator[tuple[MeshWorld, Contained]]:
    """A world whose fabric is awaited, and that fabric, which waits for its orchestrator."""
    fabric = Contained(directory)
    failures: list[str] = []
    world = MeshWorld(row, directory, AwaitedFabric(directory / "control", failures.append))
    try:
        await fabric.start()
        await until(lambda: any("waiting" in line for line in fabric.said), "it waits")
        yield world, fabric
        assert failures == []
    finally:
        await world.close()
        await fabric.close()
        shutil.rmtree(directory)


async def test_a_fabric_that_was_there_first_serves_as_the_given_user_without_privileges(
    directory: Path,
) -> None:
    async with contained(directory, Row()) as (world, fabric):
        await orchestrate(world)
        await world.attach(["n0", "n1"])
        with Pinger(world, 0) as pinger:
            assert pinger.ping(1) is not None
        status = fabric.status()
        assert set(status["Uid"].split() + status["Gid"].split()) == {str(USER)}
        assert {int(status[f"Cap{kind}"], 16) for kind in ("Inh", "Prm", "Eff", "Amb")} == {0}
        assert (directory / "fabric.sock").stat().st_uid == USER
        assert fabric.said[0].startswith(("fabric: real-time priority", "fabric: normal priority: "))
        assert world.fabric.scheduler == ("fifo" if "real-time" in fabric.said[0] else "other")
        assert world.fabric.pid == fabric.process.pid


async def test_the_next_orchestrator_is_served_anew_with_the_same_priority_and_connections_survive(
    directory: Path,
) -> None:
    async with contained(directory, Row(hops=2)) as (world, fabric):
        await orchestrate(world)
        await world.attach(["n0", "n2"])
        scheduler = world.fabric.scheduler
        with contextlib.ExitStack() as stack:
            client, server = map(stack.enter_context, tcp_pair(world, 0, 2))
            for turn in range(3):
                client.sendall(b"before")
                assert server.recv(100) == b"before"
                await world.fabrics.end()
                await until(partial(lambda n: fabric.said.count(GONE) > n, turn), "noticed")
                assert fabric.process.returncode is None
                descriptors = len(os.listdir(f"/proc/{fabric.process.pid}/fd"))
                await orchestrate(world)
                await until(
                    partial(lambda n: all(h.attached == n + 2 for h in world.holders), turn), "attached"
                )
                counters = await world.fabric.counters()
                assert counters["packets"] < 50, "counters of the orchestrator before"
                assert descriptors < 10, "something of the service before is still open"
        assert world.fabric.scheduler == scheduler


async def test_a_fabric_that_is_killed_is_replaced_by_the_next_that_connects(directory: Path) -> None:
    async with contained(directory, Row()) as (world, fabric):
        await orchestrate(world)
        await world.attach(["n0", "n1"])
        fabric.process.kill()
        await world.fabric.wait()
        assert await world.fabrics.end() == {}
        next_one = asyncio.create_task(orchestrate(world))
        await fabric.process.wait()
        await fabric.start()
        await next_one
        await until(lambda: all(h.attached == 2 for h in world.holders), "both attach again")


async def test_sigterm_ends_it_at_once_while_it_waits_and_while_it_serves(directory: Path) -> None:
    async with contained(directory, Row()) as (world, fabric):
        fabric.process.send_signal(signal.SIGTERM)
        assert await fabric.process.wait() == 0
        await fabric.start()
        await orchestrate(world)
        fabric.process.send_signal(signal.SIGTERM)
        assert await fabric.process.wait() == 0
        await world.fabric.wait()


async def test_whatever_else_connects_does_not_keep_the_fabric_away(directory: Path) -> None:
    failures: list[str] = []
    fabric = Contained(directory)
    world = MeshWorld(Row(), directory, AwaitedFabric(directory / "control", failures.append))
    starting = asyncio.create_task(world.start_fabric())
    try:
        for attempt in range(3):
            await until(lambda: (directory / "control").exists(), "it listens")
            with handover.connect(directory / "control") as stranger:
                stranger.shutdown(socket.SHUT_RDWR)
            await until(partial(lambda n: len(failures) == n + 1, attempt), "it is told why")
        os.chown(directory / "control", USER, USER)
        await fabric.start()
        await starting
    finally:
        await world.close()
        await fabric.close()
        shutil.rmtree(directory)


async def test_waiting_costs_next_to_nothing(directory: Path) -> None:
    async with contained(directory, Row()) as (_, fabric):
        before_s, first = fabric.cpu_s(), fabric.rests()
        await until(lambda: fabric.rests() >= first + 5, "it looks five times")
        spent_s = fabric.cpu_s() - before_s
        assert spent_s < 0.05, "of about a second"
        assert len([line for line in fabric.said if "waiting" in line]) == 1, "it says so once"
