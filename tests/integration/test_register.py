"""docs/recipes/register.py: right when it is safe, and wrong only when a clock is set back at the wrong moment."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import itertools
import math
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from skyrack.check import check
from skyrack.history import Header, History, Operation, Outcome
from skyrack.workloads import Failed
from skyrack.workloads.stores.grpc import GrpcStore

from .ports import free_port

pytestmark = pytest.mark.together

PROGRAM = Path(__file__).parents[2] / "docs" / "recipes" / "register.py"
NAMES = ("a", "b", "c")
SECONDS = 3.0
SEEDS = range(1, 11)
TIMES_S = ("HEARTBEAT_S", "LEASE_S", "ELECTION_S", "PATIENCE_S")
FAULTS = ("cut", "cut and back", "again")
OK: Outcome = "ok"
FAIL: Outcome = "fail"
UNKNOWN: Outcome = "unknown"


def _program() -> Any:
    spec = importlib.util.spec_from_file_location("register_recipe", PROGRAM)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


register = _program()
ITS_TIMES_S = {name: getattr(register, name) for name in TIMES_S}


@dataclass
class Way:
    """From one member to another, by a proxy that can be cut."""

    port: int
    cut: bool = False
    open: set[asyncio.StreamWriter] = field(default_factory=set)

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        if self.cut:
            writer.close()
            return
        there, back = await asyncio.open_connection("127.0.0.1", self.port)
        self.open |= {writer, back}
        with contextlib.suppress(OSError, asyncio.CancelledError):
            await asyncio.gather(_pump(reader, back), _pump(there, writer))
        self.open -= {writer, back}

    def set(self, cut: bool) -> None:
        """Cut or mend; connections that are open end."""
        self.cut = cut
        for writer in list(self.open):
            writer.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    finally:
        writer.close()


class Cluster:
    """Three members in this process, with clocks of their own, and a client of each."""

    def __init__(self, directory: Path, safe: bool) -> None:
        self.skew_s = dict.fromkeys(NAMES, 0.0)
        self.ways: dict[tuple[str, str], Way] = {}
        self.members: dict[str, Any] = {}
        self.clients: dict[str, GrpcStore] = {}
        self._directory, self._safe = directory, safe
        self._ports = {name: free_port() for name in NAMES}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._addresses: dict[str, dict[str, str]] = {}
        self._servers: list[asyncio.Server] = []

    async def start(self) -> None:
        for name in NAMES:
            members = {name: f"127.0.0.1:{self._ports[name]}"}
            for other in NAMES:
                if other != name:
                    way = self.ways[name, other] = Way(self._ports[other])
                    server = await asyncio.start_server(way.carry, "127.0.0.1", 0)
                    self._servers.append(server)
                    members[other] = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
            self._addresses[name] = members
            self.serve(name)
            self.clients[name] = self.client(name)

    def serve(self, name: str) -> None:
        """Begin a member, or begin it again with what its disk has."""
        if (before := self._tasks.pop(name, None)) is not None:
            before.cancel()
        members = self._addresses[name]
        member = register.Member(
            name,
            members,
            self._directory / name,
            self._safe,
            wall_s=lambda: time.time() + self.skew_s[name],
        )
        self.members[name] = member
        self._tasks[name] = asyncio.create_task(member.serve(members[name]))

    def client(self, name: str, timeout_s: float = 5.0) -> GrpcStore:
        """One that asks this member alone."""
        return GrpcStore([self._addresses[name][name]], timeout_s)

    async def stop(self) -> None:
        for client in self.clients.values():
            await client.close()
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        for server in self._servers:
            server.close()
        for way in self.ways.values():
            way.set(cut=True)

    def cut_off(self, name: str, cut: bool = True) -> None:
        """From both others, in both directions."""
        for pair, way in self.ways.items():
            if name in pair:
                way.set(cut)

    async def leader(self, *without: str) -> str:
        """Who leads, once somebody does."""

        async def leads() -> str:
            return next((n for n, m in self.members.items() if m._leading and n not in without), "")

        found: str = await eventually(leads)
        return found


async def eventually(condition: Callable[[], Awaitable[Any]], seconds: float = 60.0) -> Any:
    """Until it is true; what failed or timed out meanwhile is not."""
    deadline_s = time.monotonic() + seconds
    while time.monotonic() < deadline_s:
        with contextlib.suppress(Exception):
            if found := await condition():
                return found
        await asyncio.sleep(0.02)
    raise AssertionError("never")


@contextlib.asynccontextmanager
async def cluster(directory: Path, *, safe: bool) -> AsyncIterator[Cluster]:
    found = Cluster(directory, safe)
    await found.start()
    try:
        yield found
    finally:
        await found.stop()


def hurry(monkeypatch: pytest.MonkeyPatch, times: float) -> None:
    """Time-outs in the same proportions, for members without distance."""
    for name, its_s in ITS_TIMES_S.items():
        monkeypatch.setattr(register, name, its_s / times)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not so quick that a host which stops for half a second is an election."""
    hurry(monkeypatch, 2)


async def cut_off_with_old_value(members: Cluster) -> tuple[str, str]:
    """The leader is cut off from the others, which have another leader and a newer value; both leaders."""
    old = await members.leader()
    await members.clients[old].write("x", 1)
    assert await members.clients[old].read("x") == 1
    members.cut_off(old)
    new = await members.leader(old)
    await members.clients[new].write("x", 2)
    return old, new


async def test_the_first_by_name_leads_first_and_the_next_when_it_is_away(tmp_path: Path) -> None:
    """A schedule of faults that broke the leader's lease breaks the leader's again."""
    async with cluster(tmp_path, safe=False) as members:
        assert await members.leader() == "a"
        members.cut_off("a")
        assert await members.leader("a") == "b"


async def test_any_member_answers_and_what_is_acknowledged_stays(tmp_path: Path) -> None:
    async with cluster(tmp_path, safe=True) as members:
        await members.leader()

        async def knows(name: str) -> bool:
            return await members.clients[name].cas("first", None, 1) or True

        for name in NAMES:
            await eventually(lambda name=name: knows(name))  # type: ignore[misc]
        a, b, c = members.clients.values()
        assert await a.read("x") is None
        await b.write("x", 1)
        assert await c.read("x") == 1
        assert not await a.cas("x", 2, 3)
        assert await b.cas("x", 1, 3)
        assert await c.read("x") == 3
        with pytest.raises(Failed, match="does not implement"):
            await a.append("x", 1)
    async with cluster(tmp_path, safe=True) as members:
        leader = await members.leader()
        assert await members.clients[leader].read("x") == 3, "what is on disk is there again"


async def test_safe_leader_that_is_cut_off_answers_nothing_whatever_its_clock_says(tmp_path: Path) -> None:
    async with cluster(tmp_path, safe=True) as members:
        old, new = await cut_off_with_old_value(members)
        members.skew_s[old] = -60.0
        with pytest.raises(Failed, match="may not lead any more"):
            await members.clients[old].read("x")
        assert await members.clients[new].read("x") == 2


async def test_lease_by_wall_clock_is_right_while_clocks_go_on(tmp_path: Path) -> None:
    async with cluster(tmp_path, safe=False) as members:
        old, new = await cut_off_with_old_value(members)
        with pytest.raises(Failed, match="may not lead any more"):
            await members.clients[old].read("x")
        assert await members.clients[new].read("x") == 2


async def test_lease_by_wall_clock_is_the_planted_bug_when_the_leader_s_is_set_back(tmp_path: Path) -> None:
    async with cluster(tmp_path, safe=False) as members:
        old, new = await cut_off_with_old_value(members)
        members.skew_s[old] = -60.0
        assert await members.clients[old].read("x") == 1, "the lease looks valid again"
        assert await members.clients[new].read("x") == 2
        members.cut_off(old, cut=False)

        async def learned() -> bool:
            return await members.clients[old].read("x") == 2

        await eventually(learned)


class Load:
    """Closed-loop clients of every member, and what became of all they asked."""

    def __init__(self, members: Cluster, seed: int, faults: Sequence[str] = FAULTS) -> None:
        self._faults = faults
        self._members, self._draw = members, random.Random(seed)
        self._t0_s, self._values, self._processes = time.monotonic(), itertools.count(1), itertools.count()
        self.operations: list[Operation] = []

    async def run(self, seconds: float, clients: int = 3) -> None:
        """With faults drawn from the seed meanwhile."""
        end_s = time.monotonic() + seconds
        async with asyncio.TaskGroup() as group:
            for name in NAMES:
                for _ in range(clients):
                    group.create_task(self._ask(name, end_s))
            group.create_task(self._break(end_s - 1.0))

    async def _break(self, end_s: float) -> None:
        """One after the other: cut off, cut off with its clock set back, begun again."""
        members = self._members
        while time.monotonic() < end_s:
            name = self._draw.choice([*NAMES, *[await members.leader()] * 3])
            what = self._draw.choice(self._faults)
            if what == "again":
                members.serve(name)
            else:
                members.cut_off(name)
                await asyncio.sleep(self._draw.uniform(0.1, 0.5))
                if what == "cut and back":
                    members.skew_s[name] -= 10.0
                await asyncio.sleep(self._draw.uniform(0.3, 1.0))
                members.cut_off(name, cut=False)
            await asyncio.sleep(self._draw.uniform(0.1, 0.5))

    async def _ask(self, name: str, end_s: float) -> None:
        client, process = self._members.client(name, 1.0), next(self._processes)
        last: int | None = None
        while (invoked_s := time.monotonic()) < end_s:
            f = self._draw.choice(("read", "read", "write", "cas"))
            key = f"k{self._draw.randrange(3)}"
            value = next(self._values)
            asked: Any = {"read": None, "write": value, "cas": [last, value]}[f]
            result, outcome, done_s = asked, OK, 0.0
            try:
                async with asyncio.timeout(1.5):
                    if f == "read":
                        result = last = await client.read(key)
                    elif f == "write":
                        await client.write(key, value)
                    elif not await client.cas(key, last, value):
                        outcome = FAIL
            except Failed:
                outcome = FAIL
            except Exception:
                outcome, done_s = UNKNOWN, math.inf
            at_s = invoked_s - self._t0_s
            done_s = done_s or time.monotonic() - self._t0_s
            self.operations.append(
                Operation(
                    len(self.operations), process, name, f, key, asked, result, outcome, at_s, done_s, at_s
                )
            )
            if outcome == UNKNOWN:
                process = next(self._processes)
            await asyncio.sleep(0.01)
        await client.close()


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("safe", "verdict"), [(True, "ok"), (False, "bad")])
async def test_under_faults_the_safe_register_is_linearizable_and_the_planted_bug_is_found(
    tmp_path: Path, safe: bool, verdict: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bug needs a read at the right moment: who does not have it looks again."""
    hurry(monkeypatch, 5)
    for seed in SEEDS:
        async with cluster(tmp_path / str(seed), safe=safe) as members:
            await members.leader()
            load = Load(members, seed, FAULTS if seed == 1 else ("cut and back",))
            await load.run(SECONDS)
        report = check(History(Header("kv", "kv", "test", 1), load.operations), model="kv")
        if safe or report.verdict == "bad":
            break
    assert report.verdict == verdict, report


def test_torn_end_of_a_journal_is_dropped_and_goes_on(tmp_path: Path) -> None:
    disk = register.Disk(tmp_path, True)
    disk.keep(3, {"x": [[3, 1], 5]})
    with (tmp_path / "journal").open("ab") as journal:
        journal.write(b'[4, {"x": [[4, 1')
    again = register.Disk(tmp_path, True)
    assert (again.term, again.registers) == (3, {"x": [[3, 1], 5]})
    again.keep(4, {"x": [[4, 1], 6], "y": [[4, 2], None]})
    again.keep(2, {"x": [[2, 9], 7]})
    assert register.Disk(tmp_path, True).registers == {"x": [[4, 1], 6], "y": [[4, 2], None]}
