"""A helper process that talks in JSON lines on its stdout and dies with its caller."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

_PIPE_BYTES = 1 << 20
_READ_BYTES = 1 << 18
_F_SETPIPE_SZ = 1031


class LineChild:
    """Runs `python -m MODULE ARGS`; its stdin stays open for as long as it is wanted.

    In a session of its own, so that a Ctrl-C at the terminal reaches only the caller, who decides what to do about it.
    """

    def __init__(self, module: str, args: Sequence[str], *, pass_fds: Sequence[int] = ()) -> None:
        self.module = module
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, *args],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=tuple(pass_fds),
            start_new_session=True,
        )
        assert self._process.stdout is not None
        self.descriptor = self._process.stdout.fileno()
        self.ended = False
        self._partial = b""
        os.set_blocking(self.descriptor, False)
        _widen(self.descriptor)

    def read(self) -> list[dict[str, Any]]:
        """The whole lines that have arrived, in order; sets `ended` at the end of output."""
        try:
            data = os.read(self.descriptor, _READ_BYTES)
        except BlockingIOError:
            return []
        if not data:
            self.ended = True
        *lines, self._partial = (self._partial + data).split(b"\n")
        return [json.loads(line) for line in lines]

    def tell(self, line: str) -> None:
        """Write one line to its stdin; a child that is gone is noticed by `read`."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line.encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            return

    def finish(self) -> None:
        """Close its stdin, which asks it to stop. Keep reading until `ended`."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.close()
        except BrokenPipeError:
            return

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()

    def close(self, patience_s: float = 30.0) -> int:
        """Wait for its end, by force after `patience_s`; returns its exit status. What it still says is read by nobody."""
        self.finish()
        self._process.stdin = None
        for signum in (None, signal.SIGTERM, signal.SIGKILL):
            if signum is not None:
                self._process.send_signal(signum)
            try:
                # Takes its last lines: it need not meet a closed pipe.
                self._process.communicate(timeout=patience_s)
                break
            except subprocess.TimeoutExpired:
                continue
        return self._process.wait()


def _widen(descriptor: int) -> None:
    """A pipe that holds seconds of lines, so that the child never waits for a caller that is busy."""
    try:
        fcntl.fcntl(descriptor, _F_SETPIPE_SZ, _PIPE_BYTES)
    except OSError:
        return
