"""The run's registry of declared transfers, with a fabric that only listens."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from skyrack.orchestrator.fabric.quantum import BEST_EFFORT, COMPUTE
from skyrack.orchestrator.metrics.transfers import transfer_families
from skyrack.orchestrator.routing.idle import NoWayError, Way, way
from skyrack.orchestrator.routing.link_model import LinkModel
from skyrack.orchestrator.runtime.events import EventLog
from skyrack.orchestrator.runtime.nodes import NodeBook, NodeState
from skyrack.orchestrator.runtime.roster import Roster
from skyrack.orchestrator.runtime.transfers import (
    START_MARGIN_S,
    Progress,
    Refusal,
    TransferRefusedError,
    Transfers,
)
from skyrack.orchestrator.topology.epoch import GROUND, LASER, Epoch

from .virtual_time import StillClock

NAMES = ["p0s00", "p0s01", "bare", "london", "tokyo"]


class Names:
    names = NAMES

    def require(self, name: object) -> int:
        if name not in NAMES:
            raise KeyError(f"no node is called {name!r}")
        return NAMES.index(str(name))


class Listener:
    def __init__(self) -> None:
        self.started: list[tuple[int, float, int, int, int]] = []
        self.cancelled: list[int] = []
        self.classes: list[int] = []

    def start_transfer(
        self, number: int, at_s: float, src: int, dst: int, size: int, traffic_class: int
    ) -> None:
        self.started.append((number, at_s, src, dst, size))
        self.classes.append(traffic_class)

    def cancel_transfer(self, number: int) -> None:
        self.cancelled.append(number)


class Bench:
    def __init__(self, directory: Path, byte_scale: int = 1, *, classes: bool = False) -> None:
        self.path = directory / "events.jsonl"
        clock: Any = StillClock()
        self.events = EventLog(self.path, clock)
        nodes = [NodeState(i, NAMES[i], "satellite", "", attached=True) for i in (0, 1, 3, 4)]
        self.book = NodeBook(nodes, self.events, clock)
        self.fabric: Listener | None = Listener()
        self.way: Way | NoWayError = Way((0, 1), 1e12, 0.004)
        roster = cast(Roster, Names())
        self.transfers = Transfers(
            roster,
            self.book,
            self.events,
            clock,
            lambda: self.fabric,
            self._way_at,
            byte_scale,
            classes=classes,
        )

    def _way_at(self, run_s: float, a: int, b: int) -> Way:
        if isinstance(self.way, NoWayError):
            raise self.way
        return self.way

    def follow(self, dst: str = "p0s01", size: int = 40_000_000_000) -> Any:
        return self.transfers.follow("p0s00", dst, size)

    def compute(self) -> Any:
        return self.transfers.follow("p0s00", "p0s01", 100, COMPUTE)

    def say(self, state: str, delivered: int, at_s: float, lost: int = 0) -> None:
        self.transfers.heard(
            {"op": "transfer", "id": 1, "at": at_s, "bytes": delivered, "lost": lost, "state": state}
        )

    def recorded(self, event: str) -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in self.path.read_text().splitlines()]
        return [line for line in lines if line["event"] == event]


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    found = Bench(tmp_path)
    yield found
    found.events.close()


async def test_40_gb_over_an_idle_terabit_laser_is_expected_to_take_0_32_s_and_the_delay(
    bench: Bench,
) -> None:
    news = bench.follow()
    begin: Progress = await anext(news)
    assert bench.fabric is not None
    assert bench.fabric.started == [(1, 10.0 + START_MARGIN_S, 0, 1, 40_000_000_000)]
    assert begin.idle_s == pytest.approx(0.324, abs=1e-12)
    assert begin.path == ("p0s00", "p0s01")
    bench.say("running", 12_500_000_000, begin.started_s + 0.104, lost=1500)
    half: Progress = await anext(news)
    assert (half.delivered_bytes, half.resent_bytes) == (12_500_000_000, 1500)
    assert half.rate_bps == pytest.approx(12.5e9 * 8 / 0.104)
    bench.say("done", 40_000_000_000, begin.started_s + 0.324, lost=1500)
    last: Progress = await anext(news)
    assert last.state == "done"
    assert last.at_s - last.started_s == pytest.approx(0.324)
    with pytest.raises(StopAsyncIteration):
        await anext(news)
    assert bench.fabric.cancelled == []
    assert bench.recorded("transfer_started")[0]["bytes"] == 40_000_000_000
    (finished,) = bench.recorded("transfer_finished")
    assert (finished["outcome"], finished["took_s"]) == ("done", 0.324)
    values = {
        (sample.name, *sample.labels.values()): sample.value
        for family in transfer_families(bench.transfers.totals)
        for sample in family.samples
    }
    assert values["skyrack_transfers_total", "done"] == 1
    assert values["skyrack_transfers_running",] == 0
    assert values["skyrack_transfer_delivered_bytes_total",] == 40_000_000_000
    assert values["skyrack_transfer_resent_bytes_total",] == 1500


async def test_done_is_heard_even_when_it_comes_before_the_first_message_was_read(bench: Bench) -> None:
    news = bench.follow(size=100)
    await anext(news)
    bench.say("running", 50, 10.01)
    bench.say("done", 100, 10.02)
    assert [progress.state async for progress in news] == ["done"]


async def test_whoever_stops_following_cancels(bench: Bench) -> None:
    news = bench.follow()
    await anext(news)
    await news.aclose()
    assert bench.fabric is not None
    assert bench.fabric.cancelled == [1]
    bench.say("running", 5, 11.0)  # late news of it harm nobody
    assert bench.recorded("transfer_finished")[0]["outcome"] == "cancelled"


async def test_a_fabric_that_ends_says_how_much_had_arrived(bench: Bench) -> None:
    news = bench.follow(size=1000)
    await anext(news)
    bench.say("running", 400, 10.1)
    await anext(news)
    reading = asyncio.ensure_future(anext(news))
    await asyncio.sleep(0)
    bench.transfers.fabric_down()
    with pytest.raises(
        TransferRefusedError, match="400 of 1000 bytes had arrived; ask for the rest"
    ) as ended:
        await reading
    assert ended.value.refusal is Refusal.NO_FABRIC
    assert bench.recorded("transfer_finished")[0]["outcome"] == "failed"


async def test_declared_bytes_are_not_scaled(tmp_path: Path) -> None:
    bench = Bench(tmp_path, byte_scale=1000)
    news = bench.follow(size=2_500)
    await anext(news)
    assert bench.fabric is not None
    assert bench.fabric.started[0][4] == 3
    bench.say("running", 2, 10.01)
    assert (await anext(news)).delivered_bytes == 2_000
    bench.say("done", 3, 10.02)
    assert (await anext(news)).delivered_bytes == 2_500
    bench.events.close()


async def test_a_class_is_passed_on_where_links_have_classes_and_refused_where_not(
    bench: Bench, tmp_path: Path
) -> None:
    with pytest.raises(TransferRefusedError, match="links of this run have no classes") as refused:
        await anext(bench.compute())
    assert refused.value.refusal is Refusal.INVALID
    (tmp_path / "two").mkdir()
    two = Bench(tmp_path / "two", classes=True)
    await anext(two.compute())
    await anext(two.follow())
    assert two.fabric is not None
    assert two.fabric.classes == [COMPUTE, BEST_EFFORT]
    assert [event["class"] for event in two.recorded("transfer_started")] == ["compute", "best-effort"]
    two.events.close()


@pytest.mark.parametrize(
    ("dst", "size", "refusal", "text"),
    [
        ("p0s01", 0, Refusal.INVALID, "bytes: 0, expected 1 to 2^60"),
        ("p0s01", -1, Refusal.INVALID, "bytes: -1"),
        ("p0s01", (1 << 60) + 1, Refusal.INVALID, "expected 1 to 2^60"),
        ("p0s00", 1, Refusal.INVALID, "destination: p0s00 is the node that was asked"),
        ("paris", 1, Refusal.UNKNOWN_NODE, "no node is called 'paris'"),
        ("bare", 1, Refusal.NO_WAY, "bare is a bare satellite: it has no process"),
        ("tokyo", 1, Refusal.NO_WAY, "tokyo is dark"),
    ],
)
async def test_what_cannot_be_is_refused_and_nothing_starts(
    bench: Bench, dst: str, size: int, refusal: Refusal, text: str
) -> None:
    bench.book.by_name["tokyo"].attached = False
    with pytest.raises(TransferRefusedError) as refused:
        await anext(bench.follow(dst, size))
    assert refused.value.refusal is refusal
    assert text in str(refused.value)
    assert bench.fabric is not None
    assert not bench.fabric.started
    assert not bench.recorded("transfer_started")


async def test_no_fabric_and_no_way_are_refused_with_the_reason(bench: Bench) -> None:
    bench.way = NoWayError("tokyo has no link in force: nothing is in sight of it")
    with pytest.raises(TransferRefusedError, match="no way from p0s00 to tokyo now: tokyo has no link"):
        await anext(bench.follow("tokyo"))
    bench.fabric = None
    with pytest.raises(TransferRefusedError, match="the fabric is not up"):
        await anext(bench.follow("tokyo"))


def epoch() -> Epoch:
    """p0s00 - p0s01 - london; bare and tokyo have no link."""
    hops = np.array([[1, 3, -1, 3, -1]], np.int32)
    return Epoch(
        0.0,
        15.0,
        np.array([0, 1], np.int32),
        np.array([1, 3], np.int32),
        np.array([LASER, GROUND], np.uint8),
        np.array([3], np.int32),
        hops,
    )


def test_an_idle_way_is_as_fast_as_its_slowest_link_and_as_long_as_all_of_them() -> None:
    found = way(epoch(), np.array([0.006, 0.003]), LinkModel(1e11, 2e10), tuple(NAMES), 0, 3)
    assert (found.path, found.rate_bps) == ((0, 1, 3), 2e10)
    assert found.delay_s == pytest.approx(0.009)
    assert found.took_s(2_500_000_000) == pytest.approx(1.009)


def test_no_way_says_whose_sky_is_empty() -> None:
    with pytest.raises(NoWayError, match="bare has no link in force: nothing is in sight of it"):
        way(epoch(), np.array([0.006, 0.003]), LinkModel(1e11, 2e10), tuple(NAMES), 2, 3)
