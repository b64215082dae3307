"""Which processes run at a node, or belong to a service there, as /proc says now."""

from __future__ import annotations

import contextlib
import os
import time

from skyrack.node.process import Process, read_stat, read_text
from skyrack.node.services.processes import read_mark
from skyrack.v1.holding import HOLDER_NAME, OWN_NAMES, Spot

_CPUCLOCK_SCHED = 2


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

    def members(self, spot: Spot, marks: set[int]) -> dict[int, Process]:
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

    def _is_guest(self, one: Process, node: int | None) -> bool:
        if one.pid == node or one.name.startswith(OWN_NAMES):
            return False
        # Containers beside the node share its PID namespace, and nothing else: those are the engine's to hold.
        return node is not None or read_text(f"/proc/{one.pid}/cgroup") == self._own_container

    def _at_node(self, node: int | None) -> dict[int, Process]:
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

    def _every(self) -> dict[int, Process]:
        texts = [read_text(f"/proc/{entry}/stat") for entry in os.listdir("/proc") if entry.isdecimal()]
        every = {one.pid: one for one in map(read_stat, filter(None, texts))}
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
