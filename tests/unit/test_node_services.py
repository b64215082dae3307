"""The node's services without a process: what follows an end, when one is ready, what goes into a log and a launcher."""

from __future__ import annotations

import asyncio
import json
import os
import stat
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest

from skyrack.node.config import NodeConfig
from skyrack.node.logs import LogFile
from skyrack.node.process import read_stat
from skyrack.node.services import launch
from skyrack.node.services.environment import environment
from skyrack.node.services.output import MAX_LINE_BYTES, MOST_LINES_PER_S, LineSplitter, Output, Pipe
from skyrack.node.services.policy import backoff_s, verdict
from skyrack.node.services.probes import NotReadyError, try_http, try_port
from skyrack.node.services.processes import read_mark
from skyrack.node.services.readiness import MISSES, readiness
from skyrack.node.services.runner import CannotStartError, Ended
from skyrack.node.services.service import Service
from skyrack.node.services.supervisor import Slot
from skyrack.v1 import mesh_pb2, service_pb2
from skyrack.v1.service_pb2 import (
    RESTART_POLICY_ALWAYS,
    RESTART_POLICY_NEVER,
    RESTART_POLICY_ON_FAILURE,
    RESTART_POLICY_UNSPECIFIED,
    SERVICE_PHASE_FAILED,
    SERVICE_PHASE_FINISHED,
    SERVICE_PHASE_READY,
    SERVICE_PHASE_STARTING,
    SERVICE_PHASE_STOPPED,
    SERVICE_PHASE_STOPPING,
    SERVICE_PHASE_UNREADY,
    SERVICE_PHASE_WAITING,
    ServiceSpec,
)

from .virtual_time import VirtualTime

LIMITS = """Limit                     Soft Limit           Hard Limit           Units
Max cpu time              unlimited            unlimited            seconds
Max realtime timeout      {}           {}            us
"""


class LoopClock:
    """The node's clock, by the running loop's time."""

    def monotonic_ns(self) -> int:
        return round(asyncio.get_running_loop().time() * 1e9)

    def utc_now(self) -> datetime:
        return datetime.fromtimestamp(asyncio.get_running_loop().time(), UTC)

    async def sleep(self, delay_s: float) -> None:
        await asyncio.sleep(delay_s)


class Scripted:
    """A Runner that runs for some time and ends in some way; `deaf`: it does not end when it is asked to."""

    def __init__(self, runs_s: float, ended: Ended, *, deaf: bool = False, refused: str = "") -> None:
        self.pid = 7
        self.cpu_s = 0.0
        self.notes: list[str] = []
        self.runs_s = runs_s
        self.ended = ended
        self.deaf = deaf
        self.refused = refused
        self.asked = asyncio.Event()
        self.killed = False

    async def start(self) -> None:
        if self.refused:
            raise CannotStartError(self.refused)

    async def reasons(self) -> AsyncIterator[str]:
        yield ""

    async def wait(self) -> Ended:
        try:
            async with asyncio.timeout(self.runs_s):
                await self.asked.wait()
        except TimeoutError:
            return self.ended
        return Ended(signal=15)

    def terminate(self) -> None:
        if not self.deaf:
            self.asked.set()

    async def kill(self) -> None:
        self.killed = True

    def pids(self) -> list[int]:
        return []


CRASH = Ended(status=1, last_words="oh")


def scripted_service(
    runners: list[Scripted],
    policy: service_pb2.RestartPolicy.ValueType = RESTART_POLICY_ON_FAILURE,
    trial: Callable[[], Awaitable[None]] | None = None,
) -> tuple[Service, list[tuple[float, int]]]:
    """A service and its history so far: (second, phase)."""
    history: list[tuple[float, int]] = []
    starts = iter(runners)

    def changed() -> None:
        entry = (round(asyncio.get_running_loop().time(), 3), int(service.status.phase))
        if not history or history[-1][1] != entry[1]:
            history.append(entry)

    spec = ServiceSpec(name="s", generation=1, restart=policy, stop_timeout_s=5.0)
    service = Service(spec, lambda: next(starts), trial, LoopClock(), changed)
    return service, history


@pytest.mark.parametrize(
    ("policy", "ended", "phase"),
    [
        (RESTART_POLICY_UNSPECIFIED, Ended(status=1), SERVICE_PHASE_WAITING),
        (RESTART_POLICY_ON_FAILURE, Ended(status=1), SERVICE_PHASE_WAITING),
        (RESTART_POLICY_ON_FAILURE, Ended(signal=9), SERVICE_PHASE_WAITING),
        (RESTART_POLICY_ON_FAILURE, Ended(status=0), SERVICE_PHASE_FINISHED),
        (RESTART_POLICY_ON_FAILURE, Ended(status=0, left=("a (pid 2)",)), SERVICE_PHASE_FAILED),
        (RESTART_POLICY_ALWAYS, Ended(status=0), SERVICE_PHASE_WAITING),
        (RESTART_POLICY_ALWAYS, Ended(status=0, left=("a (pid 2)",)), SERVICE_PHASE_WAITING),
        (RESTART_POLICY_NEVER, Ended(status=0), SERVICE_PHASE_FINISHED),
        (RESTART_POLICY_NEVER, Ended(status=2), SERVICE_PHASE_FAILED),
        (RESTART_POLICY_NEVER, Ended(signal=11), SERVICE_PHASE_FAILED),
    ],
)
def test_what_follows_an_end_is_the_policys(
    policy: service_pb2.RestartPolicy.ValueType, ended: Ended, phase: service_pb2.ServicePhase.ValueType
) -> None:
    assert verdict(policy, ended).phase == phase


@pytest.mark.parametrize(
    ("ended", "reason"),
    [
        (Ended(status=0, last_words="bye"), "ended with status 0"),
        (Ended(status=3, last_words=" no space \r"), "ended with status 3: no space"),
        (Ended(signal=11), "killed by signal 11 (SIGSEGV)"),
        (Ended(signal=40), "killed by signal 40 (real-time)"),
        (
            Ended(status=1, left=("a (pid 2)", "b (pid 3)"), last_words="no"),
            "its first process ended with status 1 and left 2 behind: a (pid 2), b (pid 3): no",
        ),
        (
            Ended(status=0, left=tuple(f"a (pid {pid})" for pid in range(2, 8))),
            "its first process ended with status 0 and left 6 behind: a (pid 2), a (pid 3), a (pid 4), a (pid 5), "
            "a (pid 6), ...; run it in the foreground (daemonize no, --foreground, exec in a script)",
        ),
    ],
)
def test_a_reason_is_a_sentence(ended: Ended, reason: str) -> None:
    assert verdict(RESTART_POLICY_NEVER, ended).reason == reason


def test_a_reason_has_an_end() -> None:
    assert len(verdict(RESTART_POLICY_NEVER, Ended(status=1, last_words="x" * 20_000)).reason) == 400


def test_waits_double_to_half_a_minute() -> None:
    assert [backoff_s(failures) for failures in (1, 2, 3, 7, 100)] == [0.5, 1.0, 2.0, 30.0, 30.0]


def test_one_that_crashes_is_started_again_after_ever_longer_and_after_a_stable_time_soon() -> None:
    time = VirtualTime()

    async def check() -> None:
        runs_s = (1.0, 1.0, 1.0, 20.0, 1.0)
        runners = [Scripted(s, CRASH) for s in runs_s] + [Scripted(0.5, Ended(status=0))]
        service, history = scripted_service(runners)
        await service.run()
        starts = [second for second, phase in history if phase == SERVICE_PHASE_STARTING]
        waits = [
            later - earlier - ran for (earlier, later), ran in zip(pairwise(starts), runs_s, strict=True)
        ]
        assert waits == pytest.approx([0.5, 1.0, 2.0, 0.5, 1.0])
        assert service.status.restarts == 5
        assert service.status.phase == SERVICE_PHASE_FINISHED
        assert all(runner.killed for runner in runners), "what one left would go on"

    time.run(check())


def test_one_that_cannot_be_started_is_not_tried_again_whatever_its_policy() -> None:
    async def check() -> None:
        service, _ = scripted_service(
            [Scripted(1.0, CRASH, refused="etcd: not found")], RESTART_POLICY_ALWAYS
        )
        await service.run()
        assert (service.status.phase, service.status.reason) == (SERVICE_PHASE_FAILED, "etcd: not found")

    VirtualTime().run(check())


@pytest.mark.parametrize(
    ("deaf", "hurried", "took_s"), [(False, False, 0.0), (True, False, 5.0), (True, True, 1.0)]
)
def test_ending_takes_as_long_as_it_may(deaf: bool, hurried: bool, took_s: float) -> None:
    async def check() -> None:
        runner = Scripted(1000.0, CRASH, deaf=deaf)
        service, _ = scripted_service([runner])
        running = asyncio.create_task(service.run())
        await asyncio.sleep(3.0)
        assert service.status.phase == SERVICE_PHASE_READY
        service.stop()
        if hurried:
            asyncio.get_running_loop().call_later(1.0, service.hurry)
        await asyncio.sleep(0.001)
        assert deaf == (service.status.phase == SERVICE_PHASE_STOPPING and not runner.killed)
        await running
        assert asyncio.get_running_loop().time() - 3.0 == pytest.approx(took_s, abs=0.01)
        assert runner.killed

    VirtualTime().run(check())


def test_one_that_waits_to_be_started_again_ends_at_once() -> None:
    async def check() -> None:
        service, _ = scripted_service([Scripted(0.1, CRASH)])
        running = asyncio.create_task(service.run())
        await asyncio.sleep(0.2)
        assert service.status.phase == SERVICE_PHASE_WAITING
        service.stop()
        await running
        assert asyncio.get_running_loop().time() < 0.3

    VirtualTime().run(check())


def test_a_suspended_one_ends_as_asked_and_is_started_again_when_it_is_resumed() -> None:
    runners = [Scripted(1e9, CRASH), Scripted(1e9, CRASH), Scripted(1e9, CRASH)]
    service, _ = scripted_service(list(runners))

    async def main() -> None:
        running = asyncio.create_task(service.run())
        await asyncio.sleep(1.0)
        service.suspend("safe mode: battery 9 %")
        await asyncio.sleep(1.0)
        assert (service.status.phase, service.status.reason) == (
            SERVICE_PHASE_STOPPED,
            "safe mode: battery 9 %",
        )
        assert runners[0].asked.is_set()
        assert runners[0].killed
        assert not service.runs
        await asyncio.sleep(3600.0)
        assert service.status.phase == SERVICE_PHASE_STOPPED
        service.resume()
        await asyncio.sleep(0.1)
        assert (service.status.phase, service.status.restarts) == (SERVICE_PHASE_READY, 1)
        service.suspend("again")
        service.resume()
        await asyncio.sleep(1.0)
        assert service.status.phase == SERVICE_PHASE_READY, "resumed before it noticed"
        service.suspend("for good")
        await asyncio.sleep(1.0)
        service.stop()
        await running

    VirtualTime().run(main())


def test_one_that_is_over_stays_so_whether_it_is_suspended_or_not() -> None:
    service, _ = scripted_service([Scripted(1.0, Ended(status=0))])

    async def main() -> None:
        await service.run()
        service.suspend("safe mode")
        service.resume()
        assert service.status.phase == SERVICE_PHASE_FINISHED

    VirtualTime().run(main())


def test_one_that_waits_to_be_started_again_waits_on_while_it_is_suspended() -> None:
    runners = [Scripted(0.0, CRASH), Scripted(1e9, CRASH)]
    service, _ = scripted_service(list(runners))

    async def main() -> None:
        running = asyncio.create_task(service.run())
        await asyncio.sleep(0.1)
        service.suspend("safe mode")
        await asyncio.sleep(60.0)
        assert service.status.phase == SERVICE_PHASE_STOPPED
        service.resume()
        await asyncio.sleep(0.1)
        assert (service.status.phase, service.status.restarts) == (SERVICE_PHASE_READY, 1)
        service.stop()
        await running

    VirtualTime().run(main())


def test_ready_is_lost_after_three_misses_in_a_row_and_won_back_with_one_answer() -> None:
    answers = iter([False] * 4 + [True] + [False] * 2 + [True] + [False] * 3 + [True] * 2)
    tried: list[float] = []

    async def trial() -> None:
        tried.append(asyncio.get_running_loop().time())
        if not next(answers, True):
            raise NotReadyError("refused")

    async def check() -> None:
        runner = Scripted(12.0, Ended(status=0))
        spec = ServiceSpec(name="s", readiness=service_pb2.ReadinessProbe(port=1, period_s=1.0))
        history = []

        def changed() -> None:
            history.append((int(service.status.phase), service.status.reason, service.status.ready_after_s))

        service = Service(spec, lambda: runner, trial, LoopClock(), changed)
        await service.run()
        seen = [entry for before, entry in pairwise([None, *history]) if entry != before]
        assert seen == [
            (SERVICE_PHASE_STARTING, "", 0.0),
            (SERVICE_PHASE_STARTING, "refused", 0.0),
            (SERVICE_PHASE_READY, "", 1.5),
            (SERVICE_PHASE_UNREADY, "refused", 0.0),
            (SERVICE_PHASE_READY, "", 1.5),
            (SERVICE_PHASE_READY, "", 0.0),
            (SERVICE_PHASE_FINISHED, "ended with status 0", 0.0),
        ]
        assert [round(b - a, 3) for a, b in pairwise(tried)][:6] == [0.1, 0.2, 0.4, 0.8, 1.0, 1.0]

    VirtualTime().run(check())


def test_the_next_try_begins_after_the_last_has_ended() -> None:
    running = 0

    async def trial() -> None:
        nonlocal running
        running += 1
        assert running == 1
        try:
            await asyncio.sleep(60.0)
        finally:
            running -= 1

    async def check() -> None:
        reasons = readiness(trial, 0.1, 2.0, LoopClock())
        assert await anext(reasons) == "no answer within 2 s"
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(3600.0):
                await anext(reasons)
        assert running == 0

    VirtualTime().run(check())
    assert MISSES == 3


def test_a_slot_keeps_what_runs_and_replaces_what_is_another() -> None:
    async def check() -> None:
        service, _ = scripted_service([Scripted(100.0, CRASH)])
        slot = Slot(service.spec, service)
        running = asyncio.create_task(service.run())
        await asyncio.sleep(1.0)
        slot.want(ServiceSpec(name="s", generation=1, command=["same"]))
        assert not slot.replaced.is_set()
        slot.want(ServiceSpec(name="s", generation=2))
        assert slot.replaced.is_set()
        await running
        slot.want(None)
        assert slot.wanted is None

    VirtualTime().run(check())


async def test_a_port_that_nobody_listens_on_is_not_ready_and_one_is() -> None:
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        await try_port(("127.9.9.9", "127.0.0.1"), port)
    with pytest.raises(NotReadyError, match=f"port {port}: Connection refused"):
        await try_port(("127.9.9.9", "127.0.0.1"), port)


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        (b"HTTP/1.1 204 No Content\r\n\r\n", ""),
        (b"HTTP/1.0 302 Found\r\n\r\n", ""),
        (b"HTTP/1.1 503 Service Unavailable\r\n\r\n", "status 503"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "the answer is not HTTP"),
        (b"", "the answer is not HTTP"),
        (b"x" * 100_000, "the answer is not HTTP|limit"),
    ],
)
async def test_http_is_judged_by_its_status(answer: bytes, found: str) -> None:
    asked: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        if found:
            with pytest.raises(NotReadyError, match=found):
                await try_http(("127.0.0.1",), f"{port}/health?x=1")
        else:
            await try_http(("127.0.0.1",), f"{port}/health?x=1")
    assert asked[0].startswith(b"GET /health?x=1 HTTP/1.1\r\nHost: 127.0.0.1:")


def test_lines_come_whole_and_long_ones_in_pieces() -> None:
    splitter = LineSplitter()
    assert splitter.feed(b"a\nb") == ["a"]
    assert splitter.feed(b"c\r\n\n") == ["bc", ""]
    pieces = splitter.feed(b"x" * (2 * MAX_LINE_BYTES + 1))
    assert [len(piece) for piece in pieces] == [MAX_LINE_BYTES, MAX_LINE_BYTES]
    assert splitter.feed(b"\n") == ["x"]
    assert splitter.feed(b"\xff") == []
    assert splitter.end() == ["�"]
    assert splitter.end() == []


def test_a_flood_of_lines_is_read_with_pauses() -> None:
    async def check() -> None:
        pipe = Pipe("stdout", None)
        os.write(pipe.write_fd, b"y\n" * 32_000)
        pipe.opened()
        took_s = 32_000 / MOST_LINES_PER_S
        await asyncio.sleep(0.9 * took_s)
        assert pipe.open
        await asyncio.sleep(0.2 * took_s)
        assert not pipe.open
        assert pipe.last == "y"

    VirtualTime().run(check())


def test_output_lines_are_records(tmp_path: Path) -> None:
    path = tmp_path / "log"
    file = LogFile(str(path))

    class Clock(LoopClock):
        def utc_now(self) -> datetime:
            return datetime(2026, 1, 1, tzinfo=UTC)

    output = Output("n0", 'odd "name"', file, Clock())
    output.line("stderr", 'says "ü"\t')
    file.close()
    assert json.loads(path.read_text()) == {
        "time": "2026-01-01T00:00:00.000+00:00",
        "level": "info",
        "node": "n0",
        "service": 'odd "name"',
        "stream": "stderr",
        "msg": 'says "ü"\t',
    }


def test_a_process_is_read_whatever_its_name() -> None:
    numbers = "1 " * 10 + "200 100 50 50 20 0 3 0 12345 1000 25 " + "0 " * 28
    process = read_stat(f"42 (a) b (c) R {numbers}")
    assert (process.pid, process.name, process.threads) == (42, "a) b (c", 3)
    assert process.cpu_s == pytest.approx(400 / os.sysconf("SC_CLK_TCK"))
    assert process.resident_bytes == 25 * os.sysconf("SC_PAGE_SIZE")
    assert not process.ended
    assert read_stat(f"42 (a) Z {numbers}".replace(" 3 0 12345", " 1 0 12345")).ended


def test_a_mark_is_the_hard_limit() -> None:
    assert read_mark(LIMITS.format(5, (1 << 62) - 9)) == (1 << 62) - 9
    assert read_mark(LIMITS.format("unlimited", "unlimited")) is None
    assert read_mark("") is None


def test_nothing_of_the_hosts_variables_but_a_few_reaches_a_service() -> None:
    config = NodeConfig(
        name="n0", kind="ground", index=3, run="r", address="100.64.0.1", network="100.64.0.0/10", socket_dir="/s"
    )  # fmt: skip
    clock = mesh_pb2.RunClock(t0_monotonic_ns=5, speed=10.0)
    clock.start.FromJsonString("2026-01-01T00:00:00Z")
    spec = ServiceSpec(name="s", environment={"TZ": "UTC"})
    own = {"PATH": "/bin", "TZ": "Mars", "http_proxy": "http://x", "AWS_SECRET": "x"}
    found = environment(spec, config, clock, "/data", own)
    assert found["PATH"] == "/bin"
    assert found["TZ"] == "UTC"
    assert found["HOME"] == found["SKYRACK_DATA"] == "/data"
    assert (found["SKYRACK_KIND"], found["SKYRACK_INDEX"], found["SKYRACK_SPEED"]) == ("ground", "3", "10")
    assert found["SKYRACK_T0_MONOTONIC_NS"] == "5"
    assert not {"http_proxy", "AWS_SECRET"} & set(found)


@pytest.fixture
def in_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_program_is_found_or_it_is_said_why_not(in_directory: Path) -> None:
    for name, mode in (("closed", 0o644), ("open", 0o755)):
        (in_directory / name).write_text("#!/bin/sh\n")
        (in_directory / name).chmod(mode)
    path = f"/nowhere:{in_directory}"
    assert launch.find("open", path) == f"{in_directory}/open"
    assert launch.find("./open", path) == "./open"
    for program, reason in {
        "closed": f"{in_directory}/closed: permission denied, it is not executable",
        "etcd": f"etcd: not found in PATH ({path})",
        "./etcd": f"./etcd: not found in {in_directory}",
        "/no/etcd": "/no/etcd: no such file",
    }.items():
        with pytest.raises(launch.RefusedError) as refused:
            launch.find(program, path)
        assert str(refused.value) == reason


def test_files_are_written_where_absent_and_for_their_owner_only(in_directory: Path) -> None:
    (in_directory / "old").write_text("as it was")
    for name in ("old", "new", "deep/er"):
        launch.write_where_absent(name, "text")
    assert [(in_directory / name).read_text() for name in ("old", "new", "deep/er")] == [
        "as it was",
        "text",
        "text",
    ]
    assert stat.S_IMODE((in_directory / "new").stat().st_mode) == 0o600
    with pytest.raises(launch.RefusedError, match="its file old/er: File exists"):
        launch.write_where_absent("old/er", "text")
