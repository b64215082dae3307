"""The holder: one event loop over its connection, and over the instants at which it has to look at what it holds."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from skyrack.node.clock import Clock
from skyrack.node.holding import memory
from skyrack.node.holding.members import Finder
from skyrack.node.holding.quota import Quota
from skyrack.node.holding.share import Share
from skyrack.node.holding.steps import Steps, Work, delays_s
from skyrack.node.process import Process, read_stat, read_text
from skyrack.v1 import flip_file, holding
from skyrack.v1.draw import Draw

# Who comes later is found within LOOK_S, or when looking all the time would take more than this share of a core, later.
LOOK_S = 0.02
LOOK_RATIO = 0.03
# Who is in the midst of a fork when he is stopped or killed has a child a moment later that the next search finds.
QUIET_SEARCHES = 2


@dataclass
class _Held:
    """What is kept so, and who that is now. `others`: those that somebody else has stopped."""

    order: holding.Hold
    marks: set[int] = field(default_factory=set)
    members: dict[int, Process] = field(default_factory=dict)
    others: set[int] = field(default_factory=set)
    share: Share | None = None
    quota: Quota | None = None
    find_at_s: float = 0.0

    @property
    def stops(self) -> bool:
        """Whether its members may not run at the moment."""
        return self.order.paused or (self.share is not None and self.share.stands)

    @property
    def due_s(self) -> float:
        """When to look at it again."""
        return self.find_at_s if self.share is None else min(self.find_at_s, self.share.spend_at_s)


class Holder:
    """Serves one connection to its end, and lets go of everything then."""

    def __init__(self, connection: socket.socket, clock: Clock) -> None:
        """Raises OSError where it cannot see the processes."""
        self._connection = connection
        self._clock = clock
        self._finder = Finder()
        self._held: dict[str, _Held] = {}
        self._stopped: dict[int, int] = {}  # by this: pid, and when that process began
        self._hung: dict[str, Process] = {}
        self._works: list[Work] = []
        self._asked_to_end = False

    def serve(self) -> None:
        """Until the connection ends, or SIGTERM comes. Raises HoldingError for what is no request."""
        wake_read, wake_write = socket.socketpair()
        wake_write.setblocking(False)
        signal.set_wakeup_fd(wake_write.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGTERM, self._end)
        try:
            while not self._asked_to_end:
                dues_s = [held.due_s for held in self._held.values()] + [work.due_s for work in self._works]
                due_s = min(dues_s, default=None)
                wait_s = None if due_s is None else max(0.0, due_s - self._now_s())
                ready, _, _ = select.select([self._connection, wake_read], [], [], wait_s)
                if self._connection in ready and not self._hear():
                    return
                self._work()
                self._look()
        except ConnectionError:
            return
        finally:
            for key in list(self._hung):
                self._release(key)
            for held in list(self._held.values()):
                self._let_go(held.order)

    def _end(self, *_: object) -> None:
        self._asked_to_end = True

    def _now_s(self) -> float:
        return self._clock.monotonic_ns() / 1e9

    # What is asked

    def _hear(self) -> bool:
        """One request; False at the end of the connection."""
        data = self._connection.recv(holding.MAX_MESSAGE_BYTES)
        if data:
            self._works.append(Work(self._steps(holding.unpack_request(data)), self._now_s()))
        return bool(data)

    def _work(self) -> None:
        """What is due of what was asked for; the answers of what is done. Raises ConnectionError."""
        for work in [work for work in self._works if work.due_s <= self._now_s()]:
            try:
                work.due_s = self._now_s() + next(work.steps)
            except StopIteration as done:
                self._works.remove(work)
                self._connection.send(holding.pack_answer(done.value))

    def _steps(self, request: holding.Request) -> Steps[holding.Seen | holding.Failed]:
        try:
            match request:
                case holding.Hold():
                    return (yield from self._hold(request))
                case holding.Kill():
                    return (yield from self._kill(request))
                case holding.Upset():
                    return (yield from self._upset(request))
                case holding.Release():
                    return holding.Seen(request.id, (), 0, said=self._release(request.key))
                case holding.Adopt():
                    return self._adopt(request)
                case holding.Look():
                    return _seen(
                        request, self._named(request.spot, self._finder.members(request.spot, set()))
                    )
        except OSError as error:
            return holding.Failed(request.id, error.strerror or str(error))

    def _named(self, spot: holding.Spot, members: Mapping[int, Process]) -> dict[int, tuple[int, str]]:
        """Each by its pid as the node counts, and its name."""
        return {
            pid: (self._finder.counted_by_node(pid, spot.node), members[pid].name) for pid in sorted(members)
        }

    def _hold(self, order: holding.Hold) -> Steps[holding.Seen]:
        if not order.paused and order.cpu_ratio is None:
            return _seen(order, self._named(order.spot, self._let_go(order)))
        held = self._held.get(order.key)
        if held is None:
            held = self._held[order.key] = _Held(order)
        before, held.order = held.order, order
        if order.spot.node != before.spot.node:
            held.marks.clear()
        self._find(held)
        self._see_to_share(held, before)
        left = (yield from self._settled(held)) if order.paused else {}
        by = "" if order.cpu_ratio is None else "quota" if held.quota is not None else "signals"
        return _seen(order, self._named(order.spot, held.members), self._named(order.spot, left), by)

    def _settled(self, held: _Held) -> Steps[dict[int, Process]]:
        """Wait until nobody runs, or they are let go on. Returns those that cannot be had."""
        quiet = 0
        for delay_s in delays_s(self._clock):
            awaited = any(map(_may_be_signalled, _running(held)))
            quiet = quiet + 1 if self._finder.whole and not awaited else 0
            if quiet == QUIET_SEARCHES:
                break
            yield delay_s
            if self._held.get(held.order.key) is not held or not held.order.paused:
                return {}
            self._find(held)
        return _running(held)

    def _see_to_share(self, held: _Held, before: holding.Hold) -> None:
        """A share that is the same goes on, and so does the quota of a group that is: it is changed where it is."""
        order = held.order
        same_group = order.cpu_ratio is not None and order.cpu_group == before.cpu_group
        if same_group and (held.quota or (held.share and order.cpu_ratio == before.cpu_ratio)):
            return
        self._end_share(held)
        if order.cpu_ratio is None:
            return
        if order.cpu_group:
            held.quota = Quota(order.cpu_group)
            self._put(held)
        else:
            held.share = Share(order.cpu_ratio, held.members, self._now_s())

    def _end_share(self, held: _Held) -> None:
        held.share = None
        if held.quota is not None:
            quota, held.quota = held.quota, None
            with contextlib.suppress(OSError):
                quota.let_go()

    def _kill(self, request: holding.Kill) -> Steps[holding.Seen]:
        """Wait until all have ended but those that cannot be had."""
        killed: dict[int, tuple[int, str]] = {}
        left: dict[int, Process] = {}
        marks: set[int] = set()
        quiet = 0
        for delay_s in delays_s(self._clock):
            left = self._finder.members(request.spot, marks)
            killed = self._named(request.spot, left) | killed
            for pid in left:
                _signal(pid, signal.SIGKILL)
            quiet = quiet + 1 if self._finder.whole and not any(map(_may_be_signalled, left)) else 0
            if quiet == QUIET_SEARCHES:
                break
            yield delay_s
        return _seen(request, killed, self._named(request.spot, left))

    # What happens to one of them

    def _upset(self, request: holding.Upset) -> Steps[holding.Seen]:
        """Where nobody is there, nobody is hit. Raises OSError with why it cannot be had."""
        draw = Draw(request.draw)
        if request.what == "file":
            return holding.Seen(request.id, (), 0, said=(flip_file.flip(request.directories, draw),))
        members = self._finder.members(request.spot, set())
        to_memory = request.what == "memory"
        may_be_had = memory.may_be_written if to_memory else _may_be_signalled
        pids = [pid for pid in sorted(members) if may_be_had(pid)]
        if not pids and any(map(_now, members.values())):
            act = "write to the memory of" if to_memory else "signal"
            raise OSError(f"the system allows nobody here to {act} these processes")
        pid = draw.weighted(pids, [memory.own_kb(pid) for pid in pids])
        if pid is None:
            return holding.Seen(request.id, (), 0, said=(holding.NOBODY_HIT,))
        inner, name = self._named(request.spot, members)[pid]
        who, hung = f"{name} (pid {inner})", None
        try:
            match request.what:
                case "memory":
                    said = f"{who}: {memory.flip(pid, draw)}"
                case "crash":
                    said = yield from self._crash(members[pid], who, is_first=inner == 1)
                case "hang":
                    said = yield from self._hang(request.key, members[pid], who)
                    hung = (pid, members[pid].since)
        except OSError as error:
            if _now(members[pid]) is None:
                return holding.Seen(request.id, (), 0, said=(f"{who} has ended meanwhile: nobody is hit",))
            raise OSError(f"{who}: {error.strerror or error}") from error
        return holding.Seen(request.id, ((inner, name),), 1, said=(said,), hung=hung)

    def _crash(self, one: Process, who: str, *, is_first: bool) -> Steps[str]:
        """The first process of a PID namespace takes no signal that it has no handler for, but for SIGKILL."""
        number = signal.SIGKILL if is_first else signal.SIGSEGV
        os.kill(one.pid, number)
        for delay_s in delays_s(self._clock):
            if _now(one) is None:
                return f"{who} died of {number.name}"
            yield delay_s
        return f"{who} got {number.name} and goes on"

    def _hang(self, key: str, one: Process, who: str) -> Steps[str]:
        """Wait until it stands."""
        self._stop(key, one)
        for delay_s in delays_s(self._clock):
            now = _now(one)
            if now is None or now.stopped or key not in self._hung:
                return f"stopped {who}"
            yield delay_s
        return f"{who} got SIGSTOP and does not stand yet"

    def _adopt(self, request: holding.Adopt) -> holding.Seen:
        """Whoever stopped it may have let it go on at his end."""
        one = _alive(request.pid, request.since)
        if one is None:
            return holding.Seen(request.id, (), 0)
        self._stop(request.key, one)
        return holding.Seen(request.id, ((one.pid, one.name),), 1, hung=(one.pid, one.since))

    def _stop(self, key: str, one: Process) -> None:
        """Have it hang. Raises OSError."""
        if self._stopped.get(one.pid) != one.since:
            os.kill(one.pid, signal.SIGSTOP)
            self._stopped[one.pid] = one.since
        self._hung[key] = one

    def _release(self, key: str) -> tuple[str, ...]:
        """What becomes of who hangs, in words."""
        one = self._hung.pop(key, None)
        if one is None:
            return ("nothing hangs any more",)
        if _now(one) is None:
            if self._stopped.get(one.pid) == one.since:
                del self._stopped[one.pid]
            return (f"{one.name} has ended meanwhile",)
        self._settle([one.pid])
        return (f"{one.name} goes on",)

    # What is kept

    def _look(self) -> None:
        for held in self._held.values():
            if self._now_s() >= held.find_at_s:
                self._find(held)
            share = held.share
            if share is not None and self._now_s() >= share.spend_at_s:
                stood = share.stands
                share.spend(held.members, self._now_s())
                if share.stands != stood:
                    self._settle(held.members)

    def _find(self, held: _Held) -> None:
        """Who is there now, in the state that they shall be in."""
        began_s = self._now_s()
        before, held.members = held.members, self._finder.members(held.order.spot, held.marks)
        for pid, one in held.members.items():
            if self._stopped.get(pid, one.since) != one.since:
                del self._stopped[pid]  # of another process, which has ended
            ours, new = pid in self._stopped, pid not in before or before[pid].since != one.since
            stopped = one.stopped
            if stopped and not ours and new:
                if held.order.adopt:
                    self._stopped[pid] = one.since
                else:
                    held.others.add(pid)
            elif not stopped:
                held.others.discard(pid)
                if ours and held.stops:
                    _signal(pid, signal.SIGSTOP)  # somebody has let it go on
        held.others &= held.members.keys()
        if held.quota is not None:
            self._put(held)
        self._settle({*before, *held.members})
        now_s = self._now_s()
        held.find_at_s = now_s + max(LOOK_S, (now_s - began_s) / LOOK_RATIO)

    def _put(self, held: _Held) -> None:
        """Into the group; where that cannot be, or another hold has put some of them into its own, signals do it."""
        assert held.quota is not None
        assert held.order.cpu_ratio is not None
        others = [one for one in self._held.values() if one.quota is not None and one is not held]
        with contextlib.suppress(OSError):
            if all(held.members.keys().isdisjoint(one.members) for one in others):
                held.quota.put(held.members)
                return
        self._end_share(held)
        held.share = Share(held.order.cpu_ratio, held.members, self._now_s())

    def _settle(self, pids: Iterable[int]) -> None:
        """Stop those that some hold stops, and let the others go on."""
        stopping = [held for held in self._held.values() if held.stops]
        for pid in list(pids):
            hold = next((held for held in stopping if pid in held.members and pid not in held.others), None)
            if hold is not None and pid not in self._stopped:
                self._stopped[pid] = hold.members[pid].since
                _signal(pid, signal.SIGSTOP)
            elif hold is None and pid in self._stopped and not self._hangs(pid):
                del self._stopped[pid]
                _signal(pid, signal.SIGCONT)

    def _hangs(self, pid: int) -> bool:
        return any((one.pid, one.since) == (pid, self._stopped[pid]) for one in self._hung.values())

    def _let_go(self, order: holding.Hold) -> dict[int, Process]:
        """Those that are let go."""
        held = self._held.pop(order.key, None)
        if held is None:
            return self._let_go_by_another(order) if order.adopt else {}
        self._end_share(held)
        self._settle(held.members)
        return held.members

    def _let_go_by_another(self, order: holding.Hold) -> dict[int, Process]:
        """Those that are there, whom a holder held that has ended without letting go."""
        members = self._finder.members(order.spot, set())
        for pid, one in members.items():
            self._stopped.setdefault(pid, one.since)  # or is to stop, at the end of a system call
        if order.cpu_group:
            with contextlib.suppress(OSError):
                Quota(order.cpu_group).let_go()
        self._settle(members)
        return members


def _seen(
    request: holding.Request,
    members: Mapping[int, tuple[int, str]],
    left: Mapping[int, tuple[int, str]] | None = None,
    by: str = "",
) -> holding.Seen:
    words = tuple(f"{name} (pid {pid})" for pid, name in (left or {}).values())
    return holding.Seen(request.id, tuple(members.values()), len(members), words, by)


def _running(held: _Held) -> dict[int, Process]:
    return {pid: one for pid, one in held.members.items() if not one.stopped}


def _now(one: Process) -> Process | None:
    """As it is now; None where it has ended."""
    return _alive(one.pid, one.since)


def _alive(pid: int, since: int) -> Process | None:
    """The process of that pid that began then; None where it has ended."""
    text = read_text(f"/proc/{pid}/stat")
    one = read_stat(text) if text else None
    return one if one is not None and one.since == since and not one.ended else None


def _may_be_signalled(pid: int) -> bool:
    """Those in a container beside a node are not to be had."""
    try:
        os.kill(pid, 0)
    except PermissionError:
        return False
    except ProcessLookupError:
        pass
    return True


def _signal(pid: int, number: int) -> None:
    """Those of other users are not to be had; who asks is told, because they run on."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)
