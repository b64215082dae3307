"""Python services of a node keep to a share of a core together, whatever their tasks do."""

from __future__ import annotations

import asyncio
import time

import pytest

from skyrack.node.clock import RealClock
from skyrack.node.services.pace import BURST_S, LONGEST_WAIT_S, Pace
from skyrack.node.services.tasks import Tasks

from .test_node_services import LoopClock
from .virtual_time import VirtualTime


class Core:
    """A core of the host that works in no time of the loop: what is used is what tasks say they use."""

    used_ns = 0

    def cpu_ns(self) -> int:
        return self.used_ns

    def use(self, cpu_s: float) -> None:
        self.used_ns += round(cpu_s * 1e9)


def paced(ratio: float | None) -> tuple[Core, Pace]:
    core = Core()
    pace = Pace(LoopClock(), core.cpu_ns)
    pace.ratio = ratio
    return core, pace


@pytest.mark.parametrize("tasks", [1, 5])
def test_tasks_together_use_what_they_may_and_no_more(tasks: int) -> None:
    async def main() -> None:
        core, pace = paced(0.2)

        async def busy() -> None:
            while True:
                core.use(0.004)
                await asyncio.sleep(0)

        service = Tasks(pace)
        running = [service.start(busy(), f"busy {i}") for i in range(tasks)]
        await asyncio.sleep(20.0)
        assert pace.used_s == pytest.approx(0.2 * 20, abs=BURST_S + 0.02)
        for task in running:
            task.cancel()
        await asyncio.wait(running)

    VirtualTime().run(main())


def test_those_that_use_little_are_not_held_up_and_nothing_is_without_a_limit() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        for ratio, used_s in ((0.2, 0.001), (None, 0.1)):
            core, pace = paced(ratio)

            async def work(core: Core = core, used_s: float = used_s) -> None:
                for _ in range(100):
                    core.use(used_s)
                    await asyncio.sleep(0.01)

            began_s = loop.time()
            await Tasks(pace).start(work(), "work")
            assert loop.time() - began_s == pytest.approx(1.0, abs=0.01)

    VirtualTime().run(main())


def test_who_owes_much_goes_on_soon_after_the_limit_is_lifted() -> None:
    async def main() -> None:
        core, pace = paced(0.01)
        loop = asyncio.get_running_loop()

        async def work() -> None:
            core.use(1.0)  # for which it would stand still for 95 s
            await asyncio.sleep(0)

        task = Tasks(pace).start(work(), "work")
        await asyncio.sleep(10.0)
        assert not task.done()
        pace.ratio = None
        lifted_s = loop.time()
        await task
        assert loop.time() - lifted_s <= LONGEST_WAIT_S

    VirtualTime().run(main())


def test_a_request_to_end_results_and_errors_come_through_while_it_is_held_up() -> None:
    said: list[str] = []

    async def main() -> None:
        core, pace = paced(0.01)
        loop = asyncio.get_running_loop()

        async def child() -> str:
            core.use(0.2)
            await asyncio.sleep(0)
            return "result"

        async def parent() -> None:
            said.append(await asyncio.create_task(child()))  # a task of a service's task is paced as well
            try:
                core.use(10.0)
                await asyncio.sleep(0)
                said.append("not held up")
            except asyncio.CancelledError:
                said.append("cancelled")
                raise ValueError("on its way out") from None

        service = Tasks(pace)
        task = service.start(parent(), "parent")
        await asyncio.sleep(30.0)
        assert said == ["result"]
        began_s = loop.time()
        task.cancel()
        with pytest.raises(ValueError, match="on its way out"):
            await task
        assert loop.time() == pytest.approx(began_s), "who is to end does not wait for its turn"
        assert said == ["result", "cancelled"]
        never = service.start(child(), "never begun")
        never.cancel()
        with pytest.raises(asyncio.CancelledError):
            await never
        assert service.running() == []

    VirtualTime().run(main())


async def test_real_tasks_that_compute_keep_to_their_share_of_a_real_core() -> None:
    clock = RealClock()
    pace = Pace(clock)
    pace.ratio = 0.2

    async def busy() -> None:
        while True:
            end_ns = time.thread_time_ns() + 2_000_000
            while time.thread_time_ns() < end_ns:
                pass
            await asyncio.sleep(0)

    service = Tasks(pace)
    began_ns = clock.monotonic_ns()

    def too_much_s() -> float:
        passed_s = (clock.monotonic_ns() - began_ns) / 1e9
        return pace.used_s - (0.2 * passed_s + BURST_S + 3 * 0.004)

    running = [service.start(busy(), f"busy {i}") for i in range(3)]
    await asyncio.sleep(0.5)
    async with asyncio.timeout(60.0):
        while too_much_s() > 0.0:  # noqa: ASYNC110  # a step that the host has made long is paid back
            await asyncio.sleep(0.05)
    assert pace.used_s > 0.0
    for task in running:
        task.cancel()
    await asyncio.wait(running)
