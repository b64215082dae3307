"""The background traffic of a run: its flows and their size, told to every fabric, and what is told of them."""

from collections.abc import Sequence
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skyrack.orchestrator.cli.background import difference
from skyrack.orchestrator.cli.exits import Problem
from skyrack.orchestrator.fabric.flows import Flow
from skyrack.orchestrator.metrics.background import background_families
from skyrack.orchestrator.runtime.background import (
    LEAST_QUANTUM_BYTES,
    START_MARGIN_S,
    Background,
    quantum_bytes,
)
from skyrack.orchestrator.runtime.roster import Roster
from skyrack.orchestrator.scenario import Scenario, load_scenario
from skyrack.orchestrator.scenario.model.background import Background as Keys
from skyrack.orchestrator.scenario.model.links import Links
from skyrack.v1.families import exposition

from .virtual_time import StillClock

NAMES = ["p0s00", "p0s01", "london", "tokyo", "nairobi"]


class Names:
    names = NAMES

    def require(self, name: object) -> int:
        return NAMES.index(str(name))


class Listener:
    def __init__(self) -> None:
        self.told: list[tuple[float, list[Flow], int]] = []
        self.run_s = 11.0
        self.error: Exception | None = None

    def set_flows(self, at_s: float, flows: Sequence[Flow], quantum_bytes: int) -> None:
        self.told.append((at_s, list(flows), quantum_bytes))

    async def counters(self, *, links: bool = False) -> dict[str, Any]:
        if self.error is not None:
            raise self.error
        columns = {"sent": 100.0, "delivered": 60.0, "lost": 10.0}
        flows = {name: [size * (i + 1) for i in range(2000)] for name, size in columns.items()}
        return {"run_s": self.run_s, "flows": flows}


def scenario(rate_bps: float = 8e9, byte_scale: int = 1, **keys: Any) -> Scenario:
    given = load_scenario("iridium")
    return given.model_copy(
        update={
            "background": Keys(rate_bps=rate_bps, **keys),
            "links": given.links.model_copy(update={"byte_scale": byte_scale}),
        }
    )


def background(fabric: Listener | None, **keys: Any) -> Background:
    return Background(scenario(**keys), cast(Roster, Names()), cast(Any, StillClock()), lambda: fabric)


def test_every_fabric_is_told_the_flows_of_all_pairs_from_the_next_moment_on() -> None:
    fabric, other = Listener(), Listener()
    found = background(fabric, byte_scale=10)
    found.start(fabric)
    found.start(other)
    ((at_s, flows, size),) = fabric.told
    assert at_s == 10.0 + START_MARGIN_S
    assert {(flow.src, flow.dst) for flow in flows} == {
        (a, b) for a in (2, 3, 4) for b in (2, 3, 4) if a != b
    }
    assert sum(flow.rate_bps for flow in flows) == pytest.approx(
        8e8
    )  # real bytes, each of which stands for ten
    assert size == 8e9 / 8 / 1000 / 10
    assert other.told == fabric.told


def test_without_a_rate_nothing_is_told() -> None:
    fabric = Listener()
    found = background(fabric, rate_bps=0.0)
    found.start(fabric)
    assert (fabric.told, found.flows) == ([], ())


async def test_figures_are_in_emulated_bytes() -> None:
    found = background(Listener(), byte_scale=10)
    figures = await found.figures()
    assert (figures["run_s"], figures["rate_bps"], figures["quantum_bytes"]) == (11.0, 8e9, 1_000_000)
    assert figures["flows"][1]["sent_bytes"] == 2000
    assert figures["flows"][1]["delivered_bytes"] == 1200
    assert figures["flows"][1]["lost_bytes"] == 200
    assert sum(flow["rate_bps"] for flow in figures["flows"]) == pytest.approx(8e9)
    assert {flow["from"] for flow in figures["flows"]} == {"london", "tokyo", "nairobi"}
    totals = found.totals(await Listener().counters())
    assert totals == {"sent": 21_000, "delivered": 12_600, "lost": 2_100}
    text = exposition(background_families(6, 8e9, totals))
    assert 'skyrack_background_bytes_total{fate="lost"} 2100.0' in text
    assert "skyrack_background_rate_bits_per_second 8e+09" in text


async def test_without_a_fabric_or_its_answer_that_is_said() -> None:
    with pytest.raises(RuntimeError, match="the fabric is not up"):
        await background(None).figures()
    fabric = Listener()
    fabric.error = TimeoutError("5 s")
    with pytest.raises(RuntimeError, match="does not answer"):
        await background(fabric).figures()


@given(
    st.floats(1.0, 1e18), st.integers(1, 100_000), st.integers(1, 10**6), st.none() | st.integers(1, 10**9)
)
def test_a_quantum_fits_into_a_quarter_of_the_smallest_queue(
    rate_bps: float, per_s: int, byte_scale: int, queue_bytes: int | None
) -> None:
    links = Links(laser_rate_bps=1e9, ground_rate_bps=1e10, byte_scale=byte_scale, queue_bytes=queue_bytes)
    keys = Keys(rate_bps=rate_bps, quanta_per_s=per_s)
    given = load_scenario("iridium").model_copy(update={"links": links, "background": keys})
    size = quantum_bytes(given)
    assert size >= LEAST_QUANTUM_BYTES
    if size > LEAST_QUANTUM_BYTES:
        assert size * byte_scale <= links.queue_limit_bytes(1e9) / 4
        assert size * byte_scale <= rate_bps / 8 / per_s


def reading(run_s: float, size: int) -> dict[str, Any]:
    flow = {"from": "a", "to": "b", "rate_bps": 9.0}
    flow |= {f"{name}_bytes": size * k for k, name in enumerate(("lost", "delivered", "sent"))}
    return {"run_s": run_s, "rate_bps": 9.0, "quantum_bytes": 3000, "flows": [flow]}


def test_rates_are_what_was_counted_between_two_answers() -> None:
    found = difference(reading(10.0, 100), reading(12.0, 200))
    assert found["flows"] == [
        {"from": "a", "to": "b", "rate_bps": 9.0, "sent_bps": 800.0, "delivered_bps": 400.0, "lost_bps": 0.0}
    ]
    assert (found["span_s"], found["all"]["sent_bps"]) == (2.0, 800.0)


@pytest.mark.parametrize(("run_s", "size"), [(12.0, 50), (10.0, 100)])
def test_a_fabric_that_began_anew_is_no_negative_rate(run_s: float, size: int) -> None:
    with pytest.raises(Problem, match="began anew"):
        difference(reading(10.0, 100), reading(run_s, size))
