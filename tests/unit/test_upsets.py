"""What an upset does to a real process and to a real file: another bit, an end, a stop; and the same draw does the same."""

from __future__ import annotations

import contextlib
import os
import re
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from skyrack.node.holding.memory import mappings, turn_over
from skyrack.node.process import read_stat
from skyrack.v1 import flip_file, holding
from skyrack.v1.draw import Draw
from skyrack.v1.holding import Failed, Hold, HoldingError, Look, Release, Seen, Spot, Upset

from .test_holding import PATIENCE_S, HolderProcess, eventually

# Most of its memory is one buffer of zeros; each line that it reads has it say where it is and what in it is not zero.
BUFFER = """
import ctypes, mmap, sys
size = 64 << 20
buffer = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
buffer[:] = bytes(size)
print(ctypes.addressof(ctypes.c_char.from_buffer(buffer)), flush=True)
for _ in sys.stdin:
    rest = buffer[:].lstrip(bytes(1))
    print(size - len(rest) if rest else -1, rest[0] if rest else 0, flush=True)
"""


class Bufferer:
    """A process with a known buffer."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", BUFFER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.address = int(self._line())
        self.spot = Spot(self.process.pid)

    def not_zero(self) -> tuple[int, int]:
        """Where in its buffer something is not zero, as it sees it itself, and what; (-1, 0): nowhere."""
        assert self.process.stdin is not None
        print("?", file=self.process.stdin, flush=True)
        offset, value = self._line().split()
        return int(offset), int(value)

    def _line(self) -> str:
        assert self.process.stdout is not None
        assert select.select([self.process.stdout], [], [], PATIENCE_S)[0]
        return self.process.stdout.readline()

    @property
    def state(self) -> str:
        return read_stat(Path(f"/proc/{self.process.pid}/stat").read_text()).state


@pytest.fixture
def bufferer() -> Iterator[Bufferer]:
    made = Bufferer()
    with made.process:
        yield made
        with contextlib.suppress(ProcessLookupError):
            made.process.kill()


@pytest.fixture
def holder() -> Iterator[HolderProcess]:
    made = HolderProcess()
    yield made
    made.socket.close()
    made.process.wait(PATIENCE_S)


def test_a_process_that_ends_as_its_bit_is_turned_over_is_said_to_have_ended() -> None:
    """Not an error that would end the holder, and with it every hold of the run."""
    bufferer = Bufferer()
    memory = os.open(f"/proc/{bufferer.process.pid}/mem", os.O_RDWR)
    try:
        assert turn_over(memory, bufferer.address + 7, 3) == 0
        assert bufferer.not_zero() == (7, 8)
        bufferer.process.kill()
        bufferer.process.communicate()
        with pytest.raises(OSError, match="ended meanwhile"):
            turn_over(memory, bufferer.address + 7, 3)
    finally:
        os.close(memory)


def test_a_flipped_bit_is_another_one_where_it_is_said_to_be_and_again_flips_it_back(
    holder: HolderProcess, bufferer: Bufferer
) -> None:
    def flip(draw: int) -> tuple[int, int]:
        """Which bit of which byte of the buffer, or of what lies elsewhere."""
        (said,) = holder.seen(Upset(1, bufferer.spot, "memory", str(draw))).said
        match = re.fullmatch(
            r"python\S* \(pid \d+\): bit (\d) at 0x([0-9a-f]+) \(.*\): 0x(..) is 0x(..) now", said
        )
        assert match is not None, said
        bit, address = int(match[1]), int(match[2], 16)
        assert int(match[3], 16) ^ int(match[4], 16) == 1 << bit
        return bit, address - bufferer.address

    for draw in range(
        1, 20
    ):  # of 70 MB the buffer is 64; what is hit elsewhere is mended before the program goes on
        bit, offset = flip(draw)
        if 0 <= offset < 64 << 20:
            break
        assert flip(draw) == (bit, offset)
    assert flip(draw) == (bit, offset)
    assert flip(draw) == (bit, offset)
    assert bufferer.not_zero() == (offset, 1 << bit)


def test_who_crashes_dies_of_the_signal_of_a_bad_access(holder: HolderProcess, bufferer: Bufferer) -> None:
    (said,) = holder.seen(Upset(1, bufferer.spot, "crash", "5")).said
    assert said.endswith("died of SIGSEGV")
    assert bufferer.process.wait(PATIENCE_S) == -signal.SIGSEGV
    answer = holder.ask(Upset(2, bufferer.spot, "memory", "5"))
    assert isinstance(answer, Failed)
    assert answer.error == "nothing runs there at the moment"


# Its first thread is in a system call that ends when somebody opens argv[1]; another one has all the time there is.
STUCK = """
import hashlib, os, sys, threading, time
burns = threading.Thread(target=hashlib.pbkdf2_hmac, args=("sha256", b"", b"", (1 << 31) - 1), daemon=True)
burns.start()
while time.process_time() < 0.5:
    time.sleep(0.01)
os.posix_spawn("/bin/true", ["true"], {}, file_actions=[(os.POSIX_SPAWN_OPEN, 0, sys.argv[1], os.O_RDONLY, 0)])
burns.join()
"""


def test_who_hangs_is_said_to_have_stopped_when_every_thread_has(
    holder: HolderProcess, tmp_path: Path
) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with subprocess.Popen([sys.executable, "-c", STUCK, fifo]) as process:
        tasks = Path(f"/proc/{process.pid}/task")

        def states() -> set[str]:
            return {read_stat((task / "stat").read_text()).state for task in tasks.iterdir()}

        def of_the_first() -> str:
            return read_stat((tasks / str(process.pid) / "stat").read_text()).state

        try:
            children = tasks / str(process.pid) / "children"
            eventually(lambda: children.read_text() and of_the_first() == "D", "it waits for whom it started")
            pids = sorted((process.pid, int(children.read_text())))
            draw = next(
                draw for draw in map(str, range(99)) if Draw(draw).weighted(pids, [1, 1]) == process.pid
            )
            holder.send(Upset(1, Spot(process.pid), "hang", draw, "f1"))
            assert holder.seen(Look(2, Spot(0))).id == 2, "it has been said of who goes on"
            fifo.write_bytes(b"")
            seen = holder.answer()
            assert isinstance(seen, Seen)
            assert (seen.id, seen.hung and seen.hung[0]) == (1, process.pid)
            assert states() == {"T"}
        finally:
            process.kill()


def test_who_hangs_stays_so_whatever_else_is_let_go_until_it_is_released(
    holder: HolderProcess, bufferer: Bufferer
) -> None:
    holder.seen(Upset(1, bufferer.spot, "hang", "5", "f1"))
    assert bufferer.state == "T"
    holder.seen(Hold(2, "a", bufferer.spot, paused=True))
    holder.seen(Hold(3, "a", bufferer.spot))
    assert bufferer.state == "T"
    (said,) = holder.seen(Release(4, "f1")).said
    assert said.endswith("goes on")
    assert bufferer.not_zero() == (-1, 0)


def test_who_hangs_and_was_killed_is_nobody_to_release(holder: HolderProcess, bufferer: Bufferer) -> None:
    holder.seen(Upset(1, bufferer.spot, "hang", "5", "f1"))
    bufferer.process.kill()
    bufferer.process.wait(PATIENCE_S)
    (said,) = holder.seen(Release(2, "f1")).said
    assert said.endswith("has ended meanwhile")


def test_nobody_hangs_any_more_when_who_asked_has_ended(holder: HolderProcess, bufferer: Bufferer) -> None:
    holder.seen(Upset(1, bufferer.spot, "hang", "5", "f1"))
    holder.end()
    assert bufferer.not_zero() == (-1, 0)


def test_a_file_differs_by_one_bit_where_it_is_said_and_keeps_its_times(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    long, short = tmp_path / "deep" / "long", tmp_path / "short"
    long.write_bytes(bytes(100_000))
    short.write_bytes(bytes(1))
    (tmp_path / "link").symlink_to("/etc/hostname")
    before = long.stat()
    said = flip_file.flip([os.fspath(tmp_path)], Draw("3"))
    match = re.fullmatch(rf"bit (\d) of byte (\d+) of {long}: 0x00 is 0x(..) now", said)
    assert match is not None, said
    expected = bytearray(100_000)
    expected[int(match[2])] = 1 << int(match[1])
    assert long.read_bytes() == expected
    assert long.stat().st_mtime_ns == before.st_mtime_ns
    assert short.read_bytes() == bytes(1)
    assert flip_file.flip([os.fspath(tmp_path)], Draw("3")).startswith(match[0].partition(":")[0])
    assert long.read_bytes() == bytes(100_000)


def test_a_directory_without_anything_to_flip_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    with pytest.raises(OSError, match="no file with anything in it"):
        flip_file.flip([os.fspath(tmp_path)], Draw("1"))


def test_only_memory_that_is_a_processs_own_can_be_hit() -> None:
    smaps = """\
5581c0000000-5581c0002000 r-xp 00000000 08:01 77                         /usr/bin/x y
Anonymous:             8 kB
5581c1000000-5581c1021000 rw-p 00000000 00:00 0                          [heap]
Rss:                  12 kB
Anonymous:            12 kB
VmFlags: rd wr mr
7f0000000000-7f0000001000 rw-s 00000000 00:01 3                          /dev/shm/s
Anonymous:             4 kB
7f0000002000-7f0000004000 rw-p 00000000 00:00 0
Anonymous:             4 kB
"""
    found = [(hex(one.first), one.name, one.own_kb) for one in mappings(smaps)]
    assert found == [("0x5581c1000000", "[heap]", 12), ("0x7f0000002000", "anonymous", 4)]


def test_draws_hit_by_weight() -> None:
    draws = [Draw(str(number)).weighted("abc", [0, 900, 100]) for number in range(1, 1001)]
    assert draws.count("a") == 0
    assert 860 < draws.count("b") < 940
    assert Draw("1").weighted("abc", [0, 0, 0]) is None


def test_requests_and_answers_of_upsets_survive_the_wire() -> None:
    for request in (Upset(1, Spot(7, 12), "file", "9", "k", ("/a",)), Release(2, "k")):
        assert holding.unpack_request(holding.pack_request(request)) == request
    seen = Seen(3, ((1, "a"),), 1, said=("one", "two"))
    assert holding.unpack_answer(holding.pack_answer(seen)) == seen
    with pytest.raises(HoldingError):
        holding.unpack_request(b'{"op":"release"}')
