"""Watchdogs: who is silent for too long is started again, who answers or was not listened to is left alone."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys

import pytest

from skyrack.node.config import NodeConfig
from skyrack.node.heartbeats import START_S, Heartbeats
from skyrack.node.services.probes import NotReadyError
from skyrack.node.services.runner import Ended
from skyrack.node.services.service import Service
from skyrack.node.silence import Silence
from skyrack.v1 import service_pb2
from skyrack.v1.service_pb2 import RESTART_POLICY_NEVER, SERVICE_PHASE_FAILED

from .test_node_config import GOOD
from .test_node_services import LoopClock, Scripted
from .virtual_time import VirtualTime


def test_silence_is_too_long_after_the_limit_and_over_with_a_sign() -> None:
    silence = Silence(5.0, 0.0, 100.0)
    assert [silence.look(100.0 + second) for second in range(1, 6)] == [False] * 5
    silence.hear(105.0)
    assert [silence.look(105.0 + second) for second in range(1, 8)] == [False] * 5 + [True] * 2
    silence.hear(117.0)
    assert not silence.look(118.0), "what was before the sign is over"
    assert silence.silent_s == 1.0


def test_before_the_first_sign_one_may_take_longer() -> None:
    silence = Silence(1.0, 3.0, 0.0)
    assert [silence.look(0.2 * n) for n in (5, 10, 15)] == [False] * 3, "a late look counts for two"
    silence.hear(3.0)
    assert [silence.look(3.0 + 0.2 * n) for n in range(1, 7)] == [False] * 5 + [True]


def test_time_in_which_the_listener_was_stopped_is_nobodys_silence() -> None:
    silence = Silence(5.0, 0.0, 0.0)
    silence.hear(0.0)
    assert not silence.look(3600.0)
    assert silence.silent_s == 2.0


def service_of(
    runners: list[Scripted], answers_until_s: float, *, restart: int = 0, probed: bool = True
) -> Service:
    """A service that answers its probe, or prints, until some second after each start."""
    started_s = 0.0

    def now_s() -> float:
        return asyncio.get_running_loop().time()

    starts = iter(runners)

    def make() -> Scripted:
        nonlocal started_s
        started_s = now_s()
        return next(starts)

    async def trial() -> None:
        if now_s() - started_s > answers_until_s:
            raise NotReadyError("refused")

    spec = service_pb2.ServiceSpec(
        name="s",
        restart=restart,  # type: ignore[arg-type]
        readiness=service_pb2.ReadinessProbe(port=1, period_s=0.5) if probed else None,
        watchdog=service_pb2.Watchdog(timeout_s=2.0, start_s=4.0),
    )
    printed = lambda: int(10 * min(now_s() - started_s, answers_until_s))  # noqa: E731
    return Service(spec, make, trial if probed else None, LoopClock(), lambda: None, printed)


@pytest.mark.parametrize(("probed", "missing"), [(True, "no answer"), (False, "no line")])
def test_a_service_that_falls_silent_is_killed_and_started_again(probed: bool, missing: str) -> None:
    async def check() -> None:
        runners = [Scripted(1000.0, Ended(status=0)), Scripted(1.0, Ended(status=0))]
        service = service_of(runners, 10.0, probed=probed)
        reasons: list[str] = []
        service._changed = lambda: reasons.append(service.status.reason)
        await service.run()
        assert runners[0].killed
        (bite, *_) = [reason for reason in reasons if reason.startswith("watchdog")]
        assert bite.startswith(f"watchdog: {missing} for 2"), bite
        assert (service.status.restarts, service.status.watchdog_restarts) == (1, 1)
        assert 12.0 < asyncio.get_running_loop().time() < 15.0

    VirtualTime().run(check())


def test_a_service_that_answers_or_ends_by_itself_is_not_bitten() -> None:
    async def check() -> None:
        service = service_of([Scripted(100.0, Ended(status=1)), Scripted(1.0, Ended(status=0))], 1e9)
        await service.run()
        assert (service.status.restarts, service.status.watchdog_restarts) == (1, 0)

    VirtualTime().run(check())


def test_one_that_never_answers_has_its_time_to_start_and_its_policy_holds() -> None:
    async def check() -> None:
        service = service_of([Scripted(100.0, Ended(status=0))], -1.0, restart=RESTART_POLICY_NEVER)
        await service.run()
        assert service.status.phase == SERVICE_PHASE_FAILED
        assert service.status.reason.startswith("watchdog: no answer for 4")
        assert service.status.reason.endswith(": refused")

    VirtualTime().run(check())


class Hand:
    """A clock that is set."""

    now_ns = 0

    def monotonic_ns(self) -> int:
        return self.now_ns


def test_a_node_that_does_not_beat_is_told_of_and_its_pipe_ends_with_it() -> None:
    clock = Hand()
    hearts = Heartbeats(clock)  # type: ignore[arg-type]
    with hearts.of(NodeConfig.from_mapping({**GOOD, "watchdog_s": 1.0})) as (told, forked):
        beating = os.dup(told.heartbeat_fd)
        forked(7)
    assert hearts.look_s == pytest.approx(0.2)

    def silent_after(looks: int) -> list[int]:
        found: list[int] = []
        for _ in range(looks):
            clock.now_ns += 200_000_000
            found += [pid for pid, _ in hearts.silent()]
        return found

    assert silent_after(round(START_S / 0.2) - 1) == [], "it may take long to start"
    os.write(beating, b".")
    assert silent_after(6) == []
    assert silent_after(2) == [7]
    assert hearts.look_s is None
    with pytest.raises(BrokenPipeError):
        os.write(beating, b".")
    os.close(beating)


LEAVING = """\
import os, sys
from skyrack.node.clock import RealClock
from skyrack.node.config import NodeConfig
from skyrack.node.heartbeats import Heartbeats
hearts, config = Heartbeats(RealClock()), NodeConfig.from_mapping(eval(sys.argv[1]))
for each in range(2):
    with hearts.of(config) as (told, forked):
        pid = os.fork()
        if pid == 0:
            hearts.leave()
            links = [f"/proc/self/fd/{fd}" for fd in os.listdir("/proc/self/fd") if int(fd) > 2]
            os._exit(sum(os.readlink(link).startswith("pipe:") for link in links if os.path.lexists(link)))
        forked(pid)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""


def test_a_node_that_was_forked_keeps_no_end_of_a_pipe_but_its_own() -> None:
    said = subprocess.run(
        [sys.executable, "-c", LEAVING, repr({**GOOD, "watchdog_s": 1.0})],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert said.stdout.split() == ["1", "1"], "the end that it writes to"


def test_a_node_without_a_watchdog_costs_no_pipe() -> None:
    hearts = Heartbeats(Hand())  # type: ignore[arg-type]
    with hearts.of(NodeConfig.from_mapping(GOOD)) as (told, forked):
        forked(7)
    assert told.heartbeat_fd == -1
    assert hearts.look_s is None
