"""A transfer without a way, where the strategy stores and forwards: what is heard of it, and what is refused."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path
from typing import Any, cast

import pytest

from skyrack.orchestrator.api.control import _message
from skyrack.orchestrator.fabric.quantum import BEST_EFFORT, COMPUTE
from skyrack.orchestrator.metrics.custody import custody_families
from skyrack.orchestrator.metrics.transfers import transfer_families
from skyrack.orchestrator.routing.bundle_route import NoBundleRouteError
from skyrack.orchestrator.routing.contacts import Busy, Leg
from skyrack.orchestrator.routing.idle import NoWayError, Way
from skyrack.orchestrator.runtime.bundles import Bundles
from skyrack.orchestrator.runtime.events import EventLog
from skyrack.orchestrator.runtime.nodes import NodeBook, NodeState
from skyrack.orchestrator.runtime.roster import Roster
from skyrack.orchestrator.runtime.stores import Stores
from skyrack.orchestrator.runtime.transfers import Progress, Refusal, TransferRefusedError, Transfers
from skyrack.orchestrator.topology.failures import NO_FAILURES, Failures
from skyrack.v1 import transfer_pb2
from skyrack.v1.families import exposition

NAMES = ["london", "p0s00", "tokyo"]
SIZE = 1000


class Clock:
    """Passes only in `sleep`."""

    t0_monotonic_ns = 0

    def __init__(self) -> None:
        self.now_s = 10.0

    def run_s(self) -> float:
        return self.now_s

    async def sleep(self, seconds: float) -> None:
        self.now_s += seconds
        await asyncio.sleep(0)


class Planner:
    """By p0s00: there from 11 s, on from 20 s."""

    horizon_s = 100.0

    def __init__(self) -> None:
        self.refuses: NoBundleRouteError | None = None

    async def find(
        self,
        src: int,
        dst: int,
        now_s: float,
        until_s: float,
        size_bytes: int,
        failures: Failures,
        stores: Callable[[int], bool],
        busy: Iterable[Busy],
    ) -> tuple[Leg, ...]:
        if self.refuses is not None:
            raise self.refuses
        legs = (Leg(0, 1, 11.0, 12.0, 12.5, 15.0), Leg(1, 2, 20.0, 21.0, 21.5, 25.0))
        return legs[src:]


class Fabric:
    """Delivers all at once, a second and a half after it was told to begin."""

    def __init__(self, heard: Callable[[dict[str, Any]], None]) -> None:
        self.heard = heard
        self.started: list[tuple[int, float, int, int, int]] = []
        self.classes: list[int] = []

    def start_transfer(
        self, number: int, at_s: float, src: int, dst: int, size_bytes: int, traffic_class: int
    ) -> None:
        self.started.append((number, at_s, src, dst, size_bytes))
        self.classes.append(traffic_class)
        done = {
            "op": "transfer",
            "id": number,
            "at": at_s + 1.5,
            "bytes": size_bytes,
            "lost": 30,
            "state": "done",
        }
        asyncio.get_running_loop().call_soon(self.heard, done)

    def cancel_transfer(self, number: int) -> None:
        """Nothing goes on by itself here."""


class Bench:
    def __init__(self, directory: Path, storage_bytes: int = 5000) -> None:
        self.path = directory / "events.jsonl"
        self.clock = Clock()
        clock = cast(Any, self.clock)
        self.events = EventLog(self.path, clock)
        nodes = [NodeState(i, name, "satellite", "", ever_served=True) for i, name in enumerate(NAMES)]
        for node in nodes:
            node.alive = node.attached = node.joined = True
        self.book = NodeBook(nodes, self.events, clock)
        self.planner = Planner()
        roster = cast(
            Any, type("Names", (), {"names": NAMES, "require": lambda self, name: NAMES.index(name)})()
        )
        self.transfers = Transfers(
            cast(Roster, roster),
            self.book,
            self.events,
            clock,
            lambda: self.fabric,
            self._no_way,
            1,
            classes=True,
        )
        self.fabric: Fabric | None = Fabric(self.transfers.heard)
        self.bundles = Bundles(
            self.transfers, self.planner, Stores(storage_bytes), NAMES, self.book, self.events, clock,
            lambda a, b: True, lambda: NO_FAILURES,
        )  # fmt: skip
        self.transfers.bundles = self.bundles

    def _no_way(self, run_s: float, a: int, b: int) -> Way:
        raise NoWayError("tokyo has no link in force: nothing is in sight of it")

    def follow(self, size: int = SIZE, traffic_class: int = BEST_EFFORT) -> Any:
        return self.transfers.follow("london", "tokyo", size, traffic_class)

    def recorded(self, *events: str) -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in self.path.read_text().splitlines()]
        return [line for line in lines if line["event"] in events]

    def exposed(self) -> str:
        families = [*custody_families(self.bundles.stores, self.bundles.totals, [0, 1, 2], NAMES)]
        return exposition([*families, *transfer_families(self.transfers.totals)])


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    found = Bench(tmp_path)
    yield found
    found.events.close()


async def test_where_a_bundle_is_is_heard_until_it_is_there(bench: Bench) -> None:
    heard: list[Progress] = [progress async for progress in bench.follow()]
    first, last = heard[0], heard[-1]
    assert first.state == "waiting"
    assert first.idle_s == pytest.approx(11.5), "from now until the computed arrival"
    assert first.path == ("london", "p0s00", "tokyo")
    assert first.custody is not None
    assert (first.custody.node, first.custody.next) == ("london", "p0s00")
    assert (first.custody.departs_s, first.custody.arrives_s) == (11.0, 21.5)
    stored = next(p for p in heard if p.custody is not None and p.custody.node == "p0s00")
    assert (stored.state, stored.delivered_bytes) == ("waiting", 0), "nothing is there before it is there"
    assert stored.path == ("london", "p0s00", "tokyo")
    assert (last.state, last.delivered_bytes, last.resent_bytes, last.custody) == ("done", SIZE, 60, None)
    assert last.at_s - last.started_s == pytest.approx(last.idle_s)
    assert bench.fabric is not None
    assert [start[1:] for start in bench.fabric.started] == [(11.0, 0, 1, SIZE), (20.0, 1, 2, SIZE)]
    (stored_event,) = bench.recorded("bundle_stored")
    assert (stored_event["node"], stored_event["run_s"], stored_event["bytes"]) == ("p0s00", 12.5, SIZE)
    (finished,) = bench.recorded("transfer_finished")
    assert (finished["outcome"], finished["took_s"]) == ("done", 11.5)


async def test_a_message_says_where_it_is_stored_and_when_it_goes_on(bench: Bench) -> None:
    heard = [_message(progress) async for progress in bench.follow()]
    assert heard[0].state == transfer_pb2.TRANSFER_STATE_WAITING
    assert (heard[0].custody.node, heard[0].custody.next) == ("london", "p0s00")
    assert (heard[0].custody.departs_at_run_s, heard[0].custody.arrives_at_run_s) == (11.0, 21.5)
    assert heard[-1].state == transfer_pb2.TRANSFER_STATE_DONE
    assert not heard[-1].HasField("custody")


async def test_what_is_in_custody_is_counted_by_node_and_delivered_once(bench: Bench) -> None:
    news = bench.follow()
    await anext(news)
    text = bench.exposed()
    assert f'skyrack_custody_bytes{{node="london"}} {float(SIZE)}' in text
    assert 'skyrack_custody_bundles{node="london"} 1.0' in text
    assert 'skyrack_custody_bytes{node="tokyo"} 0.0' in text
    assert "skyrack_custody_limit_bytes 5000.0" in text
    assert "skyrack_transfers_running 1.0" in text
    async for _ in news:
        pass
    text = bench.exposed()
    assert 'skyrack_custody_bytes{node="p0s00"} 0.0' in text
    assert 'skyrack_bundles_total{outcome="delivered"} 1.0' in text
    assert "skyrack_bundles_stored_total 1.0" in text
    assert f"skyrack_transfer_delivered_bytes_total {float(SIZE)}" in text, "not once per leg"
    assert "skyrack_transfer_resent_bytes_total 60.0" in text
    assert "skyrack_transfers_running 0.0" in text


async def test_no_contacts_and_full_stores_are_refused_and_nothing_begins(bench: Bench) -> None:
    bench.planner.refuses = NoBundleRouteError("no contacts lead from london to tokyo")
    with pytest.raises(
        TransferRefusedError, match=r"no way from london to tokyo now: .*nor by contacts"
    ) as refused:
        await anext(bench.follow())
    assert refused.value.refusal is Refusal.NO_WAY
    bench.planner.refuses = NoBundleRouteError("no room", (1,))
    with pytest.raises(TransferRefusedError, match="no room") as refused:
        await anext(bench.follow())
    assert refused.value.refusal is Refusal.STORE_FULL
    bench.planner.refuses = None
    with pytest.raises(TransferRefusedError, match="its own store has 0 of 5000 bytes") as refused:
        await anext(bench.follow(5001))
    assert refused.value.refusal is Refusal.STORE_FULL
    assert not bench.recorded("transfer_started")
    assert bench.bundles.stores.used_bytes.get(0, 0) == 0


async def test_whoever_stops_following_gives_the_bundle_up(bench: Bench) -> None:
    news = bench.follow()
    await anext(news)
    await news.aclose()
    assert bench.recorded("transfer_finished")[0]["outcome"] == "cancelled"
    assert 'skyrack_bundles_total{outcome="cancelled"} 1.0' in bench.exposed()
    assert bench.bundles.stores.used_bytes[0] == 0


async def test_a_custodian_that_ends_is_named_with_what_is_lost(bench: Bench) -> None:
    node = bench.book.by_name["p0s00"]

    async def until_it_ends() -> None:
        async for progress in bench.follow():
            if progress.custody is not None and progress.custody.node == node.name:
                bench.book.update(node, alive=False, attached=False)

    with pytest.raises(TransferRefusedError, match="p0s00 has ended with all 1000 bytes in its") as lost:
        await until_it_ends()
    assert lost.value.refusal is Refusal.LOST
    assert bench.recorded("transfer_finished")[0]["outcome"] == "failed"
    assert 'skyrack_bundles_total{outcome="lost"} 1.0' in bench.exposed()


async def test_stranded_until_the_horizon_it_has_expired(bench: Bench) -> None:

    async def without_ways_from_p0s00() -> None:
        async for progress in bench.follow():
            if progress.custody is not None and progress.custody.node == "p0s00":
                bench.planner.refuses = NoBundleRouteError("no contacts lead there")
                bench.fabric = None

    with pytest.raises(TransferRefusedError, match="1000 bytes were stored at p0s00") as expired:
        await without_ways_from_p0s00()
    assert expired.value.refusal is Refusal.EXPIRED
    (stranded,) = bench.recorded("bundle_stranded")
    assert (stranded["node"], stranded["why"]) == ("p0s00", "no contacts lead there")
    assert bench.recorded("contact_missed")[0]["to"] == "tokyo"


async def test_every_leg_of_a_bundle_has_the_class_that_was_asked_for(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    states = [progress.state async for progress in bench.follow(traffic_class=COMPUTE)]
    assert states[-1] == "done"
    assert bench.fabric is not None
    assert bench.fabric.classes == [COMPUTE, COMPUTE]
    assert bench.recorded("transfer_started")[0]["class"] == "compute"
