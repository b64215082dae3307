"""A process that dropped its privileges is closed to others, of the same user too."""

import os
import signal
from collections.abc import Callable

import pytest

from skyrack.v1 import privileges

SOMEBODY = 54321


def child(work: Callable[[], None], *, stay: bool) -> int:
    """Fork one that works; with `stay` it then waits to be killed. Its pid once it has worked, or its exit status."""
    read_end, write_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            work()
            os.write(write_end, b"x")
            while stay:
                signal.pause()
            os._exit(0)
        except PermissionError:
            os._exit(13)
        except BaseException:
            os._exit(1)
    os.close(write_end)
    with os.fdopen(read_end, "rb") as said:
        if stay:
            assert said.read(1) == b"x", "the child failed"
            return pid
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@pytest.mark.skipif(os.getuid() != 0, reason="only root has something to drop")
def test_its_user_can_neither_take_its_descriptors_nor_read_its_memory() -> None:
    dropped = child(lambda: privileges.drop(SOMEBODY, SOMEBODY), stay=True)

    def becoming(work: Callable[[], object]) -> Callable[[], None]:
        def run() -> None:
            os.setresgid(SOMEBODY, SOMEBODY, SOMEBODY)
            os.setresuid(SOMEBODY, SOMEBODY, SOMEBODY)
            work()

        return run

    try:
        assert child(becoming(lambda: os.kill(dropped, 0)), stay=False) == 0, "they are the same user"
        for work in (
            lambda: os.listdir(f"/proc/{dropped}/fd"),
            lambda: os.open(f"/proc/{dropped}/fd/1", os.O_RDONLY),
            lambda: os.open(f"/proc/{dropped}/mem", os.O_RDONLY),
            lambda: os.readlink(f"/proc/{dropped}/cwd"),
        ):
            assert child(becoming(work), stay=False) == 13
    finally:
        os.kill(dropped, signal.SIGKILL)
        os.waitpid(dropped, 0)
