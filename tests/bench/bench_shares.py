"""Shares of a core that processes are held to, beside what they were allowed: by a quota and by stopping and continuing them.

Busy programs: one process, four processes, one process with four threads (hashing without the interpreter's lock). Then the
same on a host that two others keep busy, at their priority. Each figure is CPU time over two seconds, by the time that passed.
A quota needs control groups.

Run: python -m tests.bench --only shares
"""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from skyrack.orchestrator.runtime.services.groups import Groups, find_hierarchies
from skyrack.v1 import holding

SHARES = (0.1, 0.25, 0.5, 0.9)
FOR_S = 2.0
BURN = "import hashlib\nblock = bytes(1 << 20)\nwhile True: hashlib.sha256(block)"
THREADS = f"""
import threading
for _ in range(4):
    threading.Thread(target=lambda: exec({BURN!r})).start()
"""
PROGRAMS = {"one process": (BURN, 1), "four processes": (BURN, 4), "four threads": (THREADS, 1)}
TOGETHER = """
import subprocess, sys
for one in [subprocess.Popen([sys.executable, "-c", sys.argv[1]]) for _ in range(int(sys.argv[2]))]:
    one.wait()
"""


async def main() -> None:
    """CPU time that held processes get, as a share of a core, beside what they were allowed."""
    await asyncio.to_thread(_print)


def _print() -> None:
    print(f"{'by':8}  {'program':16}  {'host':6}  " + "  ".join(f"{share:>6g}" for share in SHARES))
    with tempfile.TemporaryDirectory() as directory:
        own = Path("/proc/self/cgroup").read_text()
        groups = Groups("bench", Path(directory, "groups"), find_hierarchies(own))
        with ExitStack() as stack:
            stack.callback(groups.end)
            for host in ("quiet", "busy"):
                if host == "busy":
                    stack.enter_context(_programs(BURN, 2))
                for name, (text, copies) in PROGRAMS.items():
                    for by in ("quota", "signals"):
                        group = groups.share("throttle.bench", 1.0) if by == "quota" else None
                        if by == "quota" and group is None:
                            continue
                        got = [_share(text, copies, share, groups if group else None) for share in SHARES]
                        print(f"{by:8}  {name:16}  {host:6}  " + "  ".join(f"{one:6.3f}" for one in got))


def _share(text: str, copies: int, share: float, groups: Groups | None) -> float:
    """What they get together."""
    with _programs(text, copies) as pid, _holder() as connection:
        group = str(groups.share("throttle.bench", share)) if groups else ""
        spot = holding.Spot(pid)
        while _count(connection, spot) < copies + 1:
            time.sleep(0.01)
        time.sleep(0.3)  # interpreters start
        connection.send(holding.pack_request(holding.Hold(2, "a", spot, cpu_ratio=share, cpu_group=group)))
        connection.recv(holding.MAX_MESSAGE_BYTES)
        time.sleep(0.2)
        began_s, used_s = time.monotonic(), _cpu_s(pid)
        time.sleep(FOR_S)
        return (_cpu_s(pid) - used_s) / (time.monotonic() - began_s)


def _count(connection: socket.socket, spot: holding.Spot) -> int:
    connection.send(holding.pack_request(holding.Look(1, spot)))
    seen = holding.unpack_answer(connection.recv(holding.MAX_MESSAGE_BYTES))
    assert isinstance(seen, holding.Seen)
    return seen.count


def _family(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *map(int, children)]


def _cpu_s(pid: int) -> float:
    return sum(time.clock_gettime((~one << 3) | 2) for one in _family(pid))


@contextmanager
def _programs(text: str, copies: int) -> Iterator[int]:
    process = _python(["-c", TOGETHER, text, str(copies)])
    try:
        while len(_family(process.pid)) <= copies:
            time.sleep(0.01)
        yield process.pid
    finally:
        for pid in reversed(_family(process.pid)):
            os.kill(pid, 9)
        process.wait()


@contextmanager
def _holder() -> Iterator[socket.socket]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours:
        with theirs:
            fd = theirs.fileno()
            process = _python(["-m", "skyrack.node.holding", "--fd", str(fd)], [fd])
        try:
            yield ours
        finally:
            ours.close()
            process.wait()


def _python(words: Sequence[str], fds: Sequence[int] = ()) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, *words], pass_fds=fds)
