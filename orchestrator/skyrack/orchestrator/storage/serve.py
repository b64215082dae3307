"""Reads what the kernel asks and writes the answers: one thread reads, and another takes over while one waits for an fsync.

kernel --request--> the thread whose turn it is --answer--> kernel
                       | fsync: the turn is the next thread's (a new one, if all are waiting)
                       '--> waits, answers, queues for its turn
"""

from __future__ import annotations

import contextlib
import errno
import os
import threading
import traceback

from skyrack.orchestrator.storage import wire
from skyrack.orchestrator.storage.answers import Answers, Request
from skyrack.orchestrator.storage.disk import Disk, Dropped
from skyrack.orchestrator.storage.wire import Op

_WAITING = (Op.FSYNC, Op.FSYNCDIR)


class Served:
    """A mounted disk. `device`: a descriptor of /dev/fuse that has been mounted; it is this object's from now on."""

    def __init__(self, device: int, disk: Disk) -> None:
        self.disk = disk
        self._device = device
        self._answers = Answers(disk)
        self._turn = threading.Lock()
        self._counting = threading.Lock()
        self._idle = 0
        self._start()

    def drop(self) -> Dropped:
        """The power fails, and what the kernel remembers is wrong afterwards."""
        dropped = self.disk.drop()
        for directory, name in dropped.touched:
            number = self._answers.nodes.number(directory)
            if number is not None:
                self._tell(wire.forget_name(number, name))
        for number in self._answers.nodes.numbers():
            self._tell(wire.forget_node(number))
        return dropped

    def close(self) -> None:
        """The end, once it has been unmounted."""
        # Not closed: a thread that reads it would meet whatever has its number next.
        with open(os.devnull, "r+b", buffering=0) as nothing:
            os.dup2(nothing.fileno(), self._device)
        self._answers.close()
        self.disk.close()

    def _start(self) -> None:
        threading.Thread(target=self._work, daemon=True).start()

    def _work(self) -> None:
        buffer = bytearray(wire.BUFFER)
        while True:
            self._count_idle(1)
            with self._turn:
                self._count_idle(-1)
                request = self._answer_until_waiting(buffer)
                if request is None:
                    return
                if not self._idle:
                    self._start()
            self._answer(request)

    def _count_idle(self, more: int) -> None:
        """How many threads wait for their turn: counted one too many, and nobody would read while all the others wait."""
        with self._counting:
            self._idle += more

    def _answer_until_waiting(self, buffer: bytearray) -> Request | None:
        """The next request that may take long, all before it answered; None when it has been unmounted."""
        while True:
            try:
                size = os.readv(self._device, [buffer])
            except InterruptedError:
                continue
            except OSError as error:
                if error.errno == errno.ENOENT:  # it was taken back
                    continue
                return None
            if not size:
                return None
            _, op, unique, node, uid, gid, pid, _, _ = wire.REQUEST.unpack_from(buffer)
            body = memoryview(buffer)[wire.REQUEST.size : size]
            request = Request(op, unique, node, (uid, gid), pid, body)
            if op in _WAITING:
                return request
            self._answer(request)

    def _answer(self, request: Request) -> None:
        try:
            answer = wire.answer(request.unique, self._answers.answer(request))
        except OSError as error:
            answer = wire.refusal(request.unique, error.errno or errno.EIO)
        except Exception:  # a defect: the program gets an error, and all others go on
            traceback.print_exc()
            answer = wire.refusal(request.unique, errno.EIO)
        if request.op not in wire.NEVER_ANSWERED:
            self._tell(answer)

    def _tell(self, message: bytes) -> None:
        with contextlib.suppress(OSError):  # nobody waits for it any more, or the kernel knows no such name
            os.write(self._device, message)
