"""Who is held, or hangs, while holders end and are not to be had: he is let go all the same, and no earlier."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import sys
from collections.abc import AsyncIterator, Iterator

import pytest

from skyrack.orchestrator.clock import RealClock
from skyrack.orchestrator.runtime.hands.hands import CannotError
from skyrack.orchestrator.runtime.hands.holder import Holder
from skyrack.v1 import holding
from skyrack.v1.holding import Hold, Spot, Upset

from .test_holding import TICKS, Program, eventually


class Holders:
    """Has one start whenever the orchestrator's side wants one, unless there is none to be had."""

    def __init__(self) -> None:
        self.refuse = False
        self.started: list[asyncio.subprocess.Process] = []
        self.asked = Holder(self._connect, RealClock())

    async def kill(self) -> None:
        """The one there is, which lets nobody go then."""
        self.started[-1].kill()
        await self.started[-1].wait()

    async def close(self) -> None:
        await self.asked.close()
        for process in self.started:
            await process.wait()

    async def _connect(self) -> socket.socket:
        if self.refuse:
            raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            arguments = ("-m", "skyrack.node.holding", "--fd", str(theirs.fileno()))
            self.started.append(
                await asyncio.create_subprocess_exec(sys.executable, *arguments, pass_fds=(theirs.fileno(),))
            )
        return ours


@pytest.fixture
async def holders() -> AsyncIterator[Holders]:
    made = Holders()
    yield made
    await made.close()


@pytest.fixture
def program() -> Iterator[Program]:
    made = Program(TICKS)
    try:
        made.speaks()
        yield made
    finally:
        made.close()


async def stop(asked: Holder, how: str, spot: Spot) -> None:
    if how == "pause":
        await asked.hold(Hold(0, "a", spot, paused=True))
    else:
        await asked.hang(Upset(0, spot, "hang", "5", "a"))


async def let_go(asked: Holder, how: str, spot: Spot) -> holding.Seen:
    return await (asked.hold(Hold(0, "a", spot)) if how == "pause" else asked.release("a"))


@pytest.mark.parametrize("how", ["pause", "hang"])
async def test_who_is_let_go_while_no_holder_is_to_be_had_goes_on_with_the_next_one(
    holders: Holders, program: Program, how: str
) -> None:
    one = Spot(program.pids()[1])
    await stop(holders.asked, how, one)
    holders.refuse = True
    await holders.kill()
    with pytest.raises(CannotError, match="it is tried until it is done"):
        await let_go(holders.asked, how, one)
    program.is_silent()
    holders.refuse = False
    await asyncio.to_thread(eventually, program.says, "it goes on")
    assert "T" not in program.states()


@pytest.mark.parametrize("how", ["pause", "hang"])
async def test_who_is_stopped_stays_so_with_the_next_holder_and_goes_on_with_it(
    holders: Holders, program: Program, how: str
) -> None:
    one = Spot(program.pids()[1])
    await stop(holders.asked, how, one)
    await holders.kill()
    other = Spot(os.getpid(), 0)
    await holders.asked.ready()
    assert not (await holders.asked.ask(holding.Look(0, other))).count
    program.is_silent()
    seen = await let_go(holders.asked, how, one)
    assert seen.count == 1 if how == "pause" else seen.said[0].endswith("goes on")
    await asyncio.to_thread(program.speaks)


async def test_who_hangs_is_not_let_go_by_the_end_of_a_pause_that_two_holders_saw_to(
    holders: Holders, program: Program
) -> None:
    one = Spot(program.pids()[1])
    await holders.asked.hang(Upset(0, one, "hang", "5", "f1"))
    await holders.asked.hold(Hold(0, "a", program.spot, paused=True))
    await holders.kill()
    await holders.asked.hold(Hold(0, "a", program.spot))
    program.is_silent()
    await holders.asked.release("f1")
    await asyncio.to_thread(program.speaks)
