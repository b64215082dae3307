"""The holder: stops, slows down and kills real processes, whatever they do meanwhile, and lets go of them."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import pytest

from skyrack.node.holding.budget import PERIOD_S, Budget
from skyrack.node.holding.members import cpu_s
from skyrack.node.holding.quota import Quota
from skyrack.node.process import read_stat
from skyrack.orchestrator.runtime.services.groups import Groups, find_hierarchies
from skyrack.v1 import holding
from skyrack.v1.holding import Adopt, Failed, Hold, HoldingError, Kill, Look, Seen, Spot

PATIENCE_S = 60.0
# Says its pid, then writes whenever 5 ms have passed.
TICKS = """
import os, time
while True:
    os.write(1, b"%d\\n" % os.getpid())
    time.sleep(0.005)
"""
# Each writes, forks, and ends: there is always one, never the same for long.
RELAY = """
import os, time
while True:
    os.write(1, b"%d\\n" % os.getpid())
    time.sleep(0.002)
    if os.fork():
        os._exit(0)
"""
# A service: its first process stays, marked as launch.py does it, and starts a relay.
MARKED = """
import os, resource, time
resource.setrlimit(resource.RLIMIT_RTTIME, (1 << 40, 1 << 40))
while os.fork():
    time.sleep(1000)
while True:
    os.write(1, b"%d\\n" % os.getpid())
    time.sleep(0.002)
    if os.fork():
        os._exit(0)
"""
SERVES = f"ctypes.CDLL(None).prctl(15, b'sky load', 0, 0, 0)\n{TICKS.strip()}"
BURNS = "while True: pass"
PARENT = """
import ctypes, os, signal
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
for _ in range({copies}):
    if os.fork() == 0:
        {body}
while True:
    signal.pause()
"""


def eventually(condition: Callable[[], object], what: str) -> None:
    """Wait until it holds."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f"not within {PATIENCE_S:g} s: {what}"
        time.sleep(0.005)


class HolderProcess:
    """A holder, and what one says to it."""

    def __init__(self) -> None:
        self.socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.settimeout(PATIENCE_S)
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "skyrack.node.holding", "--fd", str(theirs.fileno())],
                pass_fds=(theirs.fileno(),),
            )

    def send(self, request: holding.Request) -> None:
        self.socket.send(holding.pack_request(request))

    def answer(self) -> Seen | Failed:
        """The next one."""
        return holding.unpack_answer(self.socket.recv(holding.MAX_MESSAGE_BYTES))

    def ask(self, request: holding.Request) -> Seen | Failed:
        self.send(request)
        return self.answer()

    def seen(self, request: holding.Request) -> Seen:
        answer = self.ask(request)
        assert isinstance(answer, Seen), answer
        return answer

    def end(self) -> None:
        """As when who asks has ended, however."""
        self.socket.close()
        assert self.process.wait(PATIENCE_S) == 0


@pytest.fixture
def holder() -> Iterator[HolderProcess]:
    made = HolderProcess()
    yield made
    made.socket.close()
    made.process.wait(PATIENCE_S)


class Program:
    """A Python program below a parent that outlives it; its pids and what it writes."""

    def __init__(self, text: str, copies: int = 1) -> None:
        body = "\n        ".join(text.strip().splitlines())
        # Adopts what its children leave behind and takes notice of their ends, as the init of a node does.
        parent = PARENT.format(copies=copies, body=body)
        self.copies = copies
        self.process = subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE)
        assert self.process.stdout is not None
        self.out: IO[bytes] = self.process.stdout
        os.set_blocking(self.out.fileno(), False)

    @property
    def spot(self) -> Spot:
        return Spot(self.process.pid)

    def says(self) -> bytes:
        """What it has written since."""
        try:
            return os.read(self.out.fileno(), 1 << 20)
        except BlockingIOError:
            return b""

    def speaks(self) -> None:
        self.says()
        eventually(self.says, "it writes")

    def is_silent(self, for_s: float = 0.1) -> None:
        self.says()  # what was under way
        deadline = time.monotonic() + for_s
        while time.monotonic() < deadline:
            assert self.says() == b""
            time.sleep(0.005)

    def pids(self) -> list[int]:
        if self.process.poll() is not None:
            return []
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [self.process.pid, *map(int, children.split())]

    def states(self) -> set[str]:
        return {read_stat(Path(f"/proc/{pid}/stat").read_text()).state for pid in self.pids()}

    def runs(self) -> None:
        """Wait until it has all its copies."""
        eventually(lambda: len(self.pids()) == 1 + self.copies, "all run")

    def ratio(self, for_s: float) -> float:
        """Of a core that it has had from now on."""
        began_s, used_s = time.monotonic(), self.cpu_s()
        time.sleep(for_s)
        return (self.cpu_s() - used_s) / (time.monotonic() - began_s)

    def cpu_s(self) -> float:
        return sum(time.clock_gettime((~pid << 3) | 2) for pid in self.pids())

    def close(self) -> None:
        with self.out:
            while len(pids := self.pids()) > 1:
                for pid in pids[1:]:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
            self.process.kill()
            self.process.wait(PATIENCE_S)


@pytest.fixture
def program(request: pytest.FixtureRequest) -> Iterator[Program]:
    made = Program(*request.param) if isinstance(request.param, tuple) else Program(request.param)
    try:
        yield made
    finally:
        made.close()


@pytest.mark.parametrize("program", [TICKS, RELAY], indirect=True, ids=["ticks", "relay"])
def test_what_is_paused_stands_until_it_is_let_go(holder: HolderProcess, program: Program) -> None:
    program.speaks()
    seen = holder.seen(Hold(1, "a", program.spot, paused=True))
    assert seen.count >= 2, seen
    assert not seen.left
    program.is_silent()
    assert program.states() == {"T"}
    assert holder.seen(Hold(2, "a", program.spot)).count >= 2
    program.speaks()


@pytest.mark.parametrize("program", [TICKS], indirect=True)
def test_who_is_let_go_on_by_somebody_else_is_stopped_again(holder: HolderProcess, program: Program) -> None:
    program.speaks()
    holder.seen(Hold(1, "a", program.spot, paused=True))
    for pid in program.pids():
        os.kill(pid, signal.SIGCONT)
    eventually(lambda: program.states() == {"T"}, "stopped again")
    program.is_silent()


@pytest.mark.parametrize("program", [TICKS], indirect=True)
def test_who_asks_may_end_and_nobody_stays_stopped(holder: HolderProcess, program: Program) -> None:
    program.speaks()
    holder.seen(Hold(1, "a", program.spot, paused=True))
    holder.end()
    program.speaks()
    assert "T" not in program.states()


@pytest.mark.parametrize("program", [TICKS], indirect=True)
def test_a_holder_that_was_killed_is_followed_by_one_that_lets_go(program: Program) -> None:
    program.speaks()
    killed, next_one = HolderProcess(), HolderProcess()
    try:
        killed.seen(Hold(1, "a", program.spot, paused=True))
        killed.process.kill()
        killed.process.wait(PATIENCE_S)
        program.is_silent()
        next_one.seen(Hold(1, "a", program.spot, paused=True, adopt=True))
        next_one.seen(Hold(2, "a", program.spot))
        program.speaks()
    finally:
        killed.socket.close()
        next_one.end()


@pytest.mark.parametrize("program", [TICKS], indirect=True)
def test_who_was_stopped_before_stays_so(holder: HolderProcess, program: Program) -> None:
    program.speaks()
    os.kill(program.pids()[1], signal.SIGSTOP)
    eventually(lambda: "T" in program.states(), "it stands")
    holder.seen(Hold(1, "a", program.spot, paused=True))
    holder.seen(Hold(2, "a", program.spot))
    program.is_silent()
    os.kill(program.pids()[1], signal.SIGCONT)
    program.speaks()


@pytest.mark.parametrize("program", [TICKS], indirect=True)
def test_two_holds_on_the_same_end_with_the_later_one(holder: HolderProcess, program: Program) -> None:
    program.speaks()
    holder.seen(Hold(1, "a", program.spot, paused=True))
    holder.seen(Hold(2, "b", Spot(program.pids()[1]), paused=True))
    holder.seen(Hold(3, "a", program.spot))
    program.is_silent()
    holder.seen(Hold(4, "b", Spot(program.pids()[1])))
    program.speaks()


@pytest.mark.parametrize("program", [(BURNS, 2)], indirect=True, ids=["two burn"])
def test_processes_get_a_share_of_a_core_together(holder: HolderProcess, program: Program) -> None:
    program.runs()
    seen = holder.seen(Hold(1, "a", program.spot, cpu_ratio=0.2))
    assert (seen.count, seen.by) == (3, "signals")
    beside = Program(BURNS)
    try:

        def is_a_fifth() -> bool:
            """On average: a holder that the host lets wait takes back later what was too much."""
            used_s = beside.cpu_s()
            began_s = time.monotonic()
            ratio = program.ratio(1.5)
            elsewhere = (beside.cpu_s() - used_s) / (time.monotonic() - began_s)
            return 0.5 * min(elsewhere, 0.2) < ratio < 0.23

        eventually(is_a_fifth, "a fifth of a core, or of what a busy host has")
    finally:
        beside.close()
    holder.seen(Hold(2, "a", program.spot))
    assert "T" not in program.states()
    used_s = program.cpu_s()
    eventually(lambda: program.cpu_s() - used_s > 0.2, "they run on")
    assert "T" not in program.states()


@pytest.mark.parametrize("program", [MARKED], indirect=True)
def test_a_kill_of_a_service_finds_all_with_its_mark_and_nobody_else(
    holder: HolderProcess, program: Program
) -> None:
    program.speaks()
    service = Spot(program.process.pid, program.pids()[1])
    assert program.pids()[1] in dict(holder.seen(Look(1, service)).processes)
    killed = holder.seen(Kill(2, service))
    assert killed.count >= 2
    assert not killed.left
    program.is_silent()
    assert program.pids() == [program.process.pid]


@pytest.mark.parametrize(
    ("program", "count"), [(TICKS, 1), (SERVES, 0)], indirect=["program"], ids=["program", "worker"]
)
def test_guests_are_all_but_the_node_and_what_serves_it(
    holder: HolderProcess, program: Program, count: int
) -> None:
    program.speaks()
    assert holder.seen(Look(1, program.spot)).count == 2
    assert holder.seen(Look(2, Spot(program.process.pid, guests=True))).count == count


@pytest.mark.parametrize("program", [(BURNS, 2)], indirect=True, ids=["two burn"])
def test_what_is_throttled_stays_paused_and_what_is_let_go_stays_throttled(
    holder: HolderProcess, program: Program
) -> None:
    """A pause of one, and a share of all: neither end lets go what the other holds."""
    guests = Spot(program.process.pid, guests=True)
    program.runs()
    paused = program.pids()[1]
    holder.seen(Hold(1, "a", Spot(paused), paused=True))
    assert holder.seen(Hold(2, "b", guests, cpu_ratio=0.3)).count == 2
    used_s, paused_s = program.cpu_s(), cpu_s(paused)
    eventually(lambda: program.cpu_s() - used_s > 0.1, "the other one runs")
    holder.seen(Hold(3, "b", guests, cpu_ratio=0.2))
    holder.seen(Hold(4, "b", guests))
    assert cpu_s(paused) == paused_s, "it has run while it was paused"
    holder.seen(Hold(5, "b", guests, cpu_ratio=0.2))
    holder.seen(Hold(6, "a", Spot(paused)))
    eventually(lambda: 0.0 < program.ratio(0.8) < 0.26, "a fifth of a core")
    assert (cpu_s(paused) or 0.0) > (paused_s or 0.0), "it has not been let go"
    holder.seen(Hold(7, "b", guests))
    assert "T" not in program.states()


@pytest.fixture
def groups(tmp_path: Path) -> Iterator[Groups]:
    hierarchies = find_hierarchies(Path("/proc/self/cgroup").read_text())
    made = Groups("test", tmp_path / "groups", hierarchies)
    if made.share("probe", 0.5) is None:
        pytest.skip("no control groups for this user here")
    yield made
    made.end()


@pytest.mark.parametrize("program", [(BURNS, 2)], indirect=True, ids=["two burn"])
def test_a_quota_is_changed_where_it_is_and_nobody_is_taken_out_of_another_ones(
    holder: HolderProcess, program: Program, groups: Groups
) -> None:
    program.runs()
    guests, one = Spot(program.process.pid, guests=True), program.pids()[1]
    throttle, fault = groups.share("throttle.a", 0.5), groups.share("fault.a", 0.2)
    assert throttle is not None
    assert holder.seen(Hold(1, "b", guests, cpu_ratio=0.5, cpu_group=str(throttle))).by == "quota"
    assert groups.share("throttle.a", 0.1) == throttle
    assert holder.seen(Hold(2, "b", guests, cpu_ratio=0.1, cpu_group=str(throttle))).by == "quota"
    faulty = holder.seen(Hold(3, "a", Spot(one), cpu_ratio=0.2, cpu_group=str(fault)))
    assert faulty.by == "signals", "both would put it into their groups, for ever"
    there = (throttle / "cgroup.procs").read_text().split()
    assert sorted(map(int, there)) == sorted(program.pids()[1:])
    holder.seen(Hold(4, "b", guests))
    assert (throttle / "cgroup.procs").read_text() == ""
    holder.seen(Hold(5, "a", Spot(one)))
    assert "T" not in program.states()


def test_nothing_is_done_where_nothing_runs(holder: HolderProcess) -> None:
    assert holder.seen(Hold(1, "a", Spot(0), paused=True)) == Seen(1, (), 0)
    assert holder.seen(Kill(2, Spot(0, 0))) == Seen(2, (), 0)


@pytest.mark.parametrize("late_s", [0.004, 0.1])
def test_a_budget_is_kept_on_average_whoever_looks_late(late_s: float) -> None:
    budget, now_s, used_s = Budget(0.2, 2, 0.0), 0.0, 0.0
    wait_s = budget.spend(0.0, 0.0)
    while now_s < 60.0:
        runs, wait_s = not budget.stands, wait_s + late_s
        now_s += wait_s
        spent_s = 2 * wait_s if runs else 0.0
        used_s += spent_s
        wait_s = budget.spend(now_s, spent_s)
    assert used_s / now_s == pytest.approx(0.2, rel=0.02)


def test_a_budget_saves_up_no_more_than_two_periods_bring() -> None:
    budget = Budget(0.5, 1, 0.0)
    budget.spend(100.0, 0.0)
    budget.spend(100.0, 0.9 * PERIOD_S)
    assert not budget.stands
    budget.spend(100.0, 0.2 * PERIOD_S)
    assert budget.stands


def test_processes_are_put_into_a_group_and_back_to_where_they_were(tmp_path: Path) -> None:
    """On a stand-in of the kernel's tree: nothing but files."""
    own, run = tmp_path / "own", tmp_path / "own" / "skyrack-r-1"
    for place in (own, run, run / "fault.london", run / "london.etcd"):
        place.mkdir(exist_ok=True)
        (place / "cgroup.procs").write_text("")
    quota = Quota(str(run / "fault.london"))
    me = read_stat(Path("/proc/self/stat").read_text())
    quota.put({me.pid: me})
    assert (run / "fault.london" / "cgroup.procs").read_text() == str(me.pid)
    (run / "fault.london" / "cgroup.procs").write_text("")
    quota.let_go()
    assert (run / "london.etcd" / "cgroup.procs").read_text() == ""


@pytest.mark.parametrize(
    "request_",
    [
        Hold(
            1,
            "london/etcd",
            Spot(12, 7),
            paused=True,
            cpu_ratio=0.2,
            cpu_group="/sys/fs/cgroup/x",
            adopt=True,
        ),
        Look(2, Spot(None, guests=True)),
        Kill(3, Spot(12, 0)),
        Adopt(4, "f9 london", 12, 4711),
    ],
)
def test_a_request_is_read_as_it_was_written(request_: holding.Request) -> None:
    assert holding.unpack_request(holding.pack_request(request_)) == request_


@pytest.mark.parametrize(
    "answer",
    [Seen(1, ((12, "etcd"),), 1, ("x (pid 3)",), "quota"), Seen(2, (), 0, hung=(12, 4711)), Failed(3, "no")],
)
def test_an_answer_is_read_as_it_was_written(answer: Seen | Failed) -> None:
    assert holding.unpack_answer(holding.pack_answer(answer)) == answer


def test_an_answer_about_many_is_cut_and_counts_all() -> None:
    many = Seen(1, tuple((pid, "x" * 15) for pid in range(10_000)), 10_000)
    data = holding.pack_answer(many)
    assert len(data) <= holding.MAX_MESSAGE_BYTES
    cut = holding.unpack_answer(data)
    assert isinstance(cut, Seen)
    assert (cut.count, len(cut.processes)) == (10_000, holding.MOST_NAMED)


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"{}", b'{"op":"stop"}', b'{"op":"look","id":1}', b'{"op":"look","node":1,"x":2}']
)
def test_what_is_no_request_is_refused(data: bytes) -> None:
    with pytest.raises(HoldingError):
        holding.unpack_request(data)
