"""Which processes run at a node, or belong to a service there, as /proc says now."""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import dataclass

from skyrack.node.services.processes import read_mark, read_text
from skyrack.v1.holding import HOLDER_NAME, OWN_NAMES, Spot

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_CPUCLOCK_SCHED = 2


@dataclass(frozen=True, slots=True)
class Member:
    """A process as /proc/PID/stat has it. `since`: when it began, in ticks; `reaped_s`: CPU time of children it waited for."""

    pid: int
    name: str
    state: str
    parent: int
    threads: int
    since: int
    reaped_s: float

    @property
    def ended(self) -> bool:
        """Whether only its parent has to take notice of that."""
        return self.state in "ZX" and self.threads <= 1

    @property
    def stopped(self) -> bool:
        """Whether nothing of it runs. A first thread that has ended says nothing of the others."""
        if self.state in "ZX" and self.threads > 1:
            return all(state in "TtZX" for state in _thread_states(self.pid))
        return self.state in "TtZX"


def read_member(text: str) -> Member:
    """A process from the text of its `stat`; its name may hold anything."""
    pid, _, rest = text.partition(" (")
    name, _, numbers = rest.rpartition(") ")
    fields = numbers.split()
    return Member(
        pid=int(pid),
        name=name,
        state=fields[0],
        parent=int(fields[1]),
        threads=int(fields[17]),
        since=int(fields[19]),
        reaped_s=(int(fields[13]) + int(fields[14])) / _TICKS_PER_S,
    )


class Finder:
    """Finds members of spots. `whole`: nobody has ended since the search before, whose children this one may have missed."""

    def __init__(self) -> None:
        """Raises OSError where /proc shows another PID namespace's processes."""
        self.whole = False
        self._ended: set[int] = set()
        self._own = os.getpid()
        if os.readlink("/proc/self") != str(self._own):
            raise OSError(
                "the processes of this run cannot be seen here: mounting a /proc of its own was refused"
            )
        self._own_namespace = os.readlink("/proc/self/ns/pid")
        self._own_container = read_text("/proc/self/cgroup")

    def members(self, spot: Spot, marks: set[int]) -> dict[int, Member]:
        """By pid. The mark of the spot's service is added to `marks`; members of it have any of these."""
        found = {pid: one for pid, one in self._at_node(spot.node).items() if not one.ended}
        if spot.guests:
            return {pid: one for pid, one in found.items() if self._is_guest(one, spot.node)}
        if spot.service is None:
            return found
        if spot.service:
            first = next((pid for pid in found if self.counted_by_node(pid, spot.node) == spot.service), None)
            mark = read_mark(read_text(f"/proc/{first}/limits")) if first is not None else None
            if mark is not None:
                marks.add(mark)
        limits = {pid: read_text(f"/proc/{pid}/limits") for pid in found}
        self.whole = self.whole and all(limits.values())
        return {pid: one for pid, one in found.items() if read_mark(limits[pid]) in marks}

    def counted_by_node(self, pid: int, node: int | None) -> int:
        """The pid that a process has in the node's own PID namespace; 0 where it has ended."""
        if node is None:
            return pid
        depth = len(_numbers(node))
        numbers = _numbers(pid)
        return numbers[depth - 1] if depth and len(numbers) >= depth else 0

    def _is_guest(self, one: Member, node: int | None) -> bool:
        if one.pid == node or one.name.startswith(OWN_NAMES):
            return False
        # Containers beside the node share its PID namespace, and nothing else: those are the engine's to hold.
        return node is not None or read_text(f"/proc/{one.pid}/cgroup") == self._own_container

    def _at_node(self, node: int | None) -> dict[int, Member]:
        self.whole = True
        if node == 0:
            return {}
        every = self._every()
        if node is None:
            # Another holder may be about to let go.
            return {
                pid: one
                for pid, one in every.items()
                if pid not in (1, self._own) and one.name != HOLDER_NAME
            }
        if node not in every:
            return {}
        inside = {node}
        namespace = _namespace(node)
        if namespace not in ("", self._own_namespace):
            inside |= {pid for pid in every if _namespace(pid) == namespace}
        # Who made a PID namespace of his own, or may not be looked at, still descends from somebody.
        children: dict[int, list[int]] = {}
        for one in every.values():
            children.setdefault(one.parent, []).append(one.pid)
        left = list(inside)
        while left:
            for pid in children.get(left.pop(), ()):
                if pid not in inside:
                    inside.add(pid)
                    left.append(pid)
        return {pid: every[pid] for pid in inside}

    def _every(self) -> dict[int, Member]:
        texts = [read_text(f"/proc/{entry}/stat") for entry in os.listdir("/proc") if entry.isdecimal()]
        every = {one.pid: one for one in map(read_member, filter(None, texts))}
        ended = {pid for pid, one in every.items() if one.ended}
        self.whole = all(texts) and ended <= self._ended
        self._ended = ended
        return every


def cpu_s(pid: int) -> float | None:
    """CPU time of a process, all its threads together, to the nanosecond; None: it has ended."""
    try:
        return time.clock_gettime((~pid << 3) | _CPUCLOCK_SCHED)
    except OSError:
        return None


def _numbers(pid: int) -> list[int]:
    """The pids of a process, from this PID namespace inwards."""
    for line in read_text(f"/proc/{pid}/status").splitlines():
        if line.startswith("NSpid:"):
            return [int(number) for number in line.split()[1:]]
    return []


def _namespace(pid: int) -> str:
    with contextlib.suppress(OSError):
        return os.readlink(f"/proc/{pid}/ns/pid")
    return ""


def _thread_states(pid: int) -> list[str]:
    with contextlib.suppress(OSError):
        texts = [read_text(f"/proc/{pid}/task/{tid}/stat") for tid in os.listdir(f"/proc/{pid}/task")]
        return [read_member(text).state for text in texts if text]
    return []
