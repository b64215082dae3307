"""A timerfd on CLOCK_MONOTONIC (Python gains os.timerfd_create only in 3.13). Never fires early."""

from __future__ import annotations

import ctypes
import os
import time

_TFD_NONBLOCK_CLOEXEC = os.O_NONBLOCK | os.O_CLOEXEC
_TFD_TIMER_ABSTIME = 1


class _Timespec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class _Setting(ctypes.Structure):
    _fields_ = (("interval", _Timespec), ("value", _Timespec))


class Timer:
    """One re-armable absolute timer; `descriptor` is readable once it has fired."""

    def __init__(self) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self.descriptor: int = libc.timerfd_create(time.CLOCK_MONOTONIC, _TFD_NONBLOCK_CLOEXEC)
        if self.descriptor < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create")
        self._settime = libc.timerfd_settime
        self._setting = _Setting()
        self._value = self._setting.value
        self._reference = ctypes.byref(self._setting)

    def arm(self, at_s: float) -> None:
        """Fire at `at_s` on CLOCK_MONOTONIC (seconds); infinity disarms."""
        if at_s == float("inf"):
            at_s = 0.0
        seconds = int(at_s)
        self._value.seconds = seconds
        self._value.nanoseconds = int((at_s - seconds) * 1e9)
        self._settime(self.descriptor, _TFD_TIMER_ABSTIME, self._reference, None)

    def clear(self) -> None:
        """Consume the expiry, if any."""
        try:
            os.read(self.descriptor, 8)
        except BlockingIOError:
            return

    def close(self) -> None:
        """Close the descriptor."""
        os.close(self.descriptor)
