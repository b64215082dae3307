"""How a child that was just forked becomes something else for good."""

import ctypes
import os
import signal
import sys
from collections.abc import Callable
from typing import NoReturn

from skyrack.v1 import namespaces

_PR_SET_NAME = 15


def become(name: str, leave: Callable[[], None], run: Callable[[], int]) -> NoReturn:
    """In the child: let go of the parent with `leave`, be `run`, end with its status. Dies with the parent.

    `name` is what process lists show, cut to 15 bytes. An exception of `run` is one line on stderr and status 1.
    """
    status = 1
    try:
        namespaces.die_with_parent()
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        # Until `run` has its own. The default would be to ignore it where this is the init of its namespace.
        signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
        os.setsid()
        leave()
        set_process_name(name)
        status = run()
    except BaseException as error:
        sys.stderr.write(f"{name}: {error!r}\n")
    finally:
        os._exit(status)


def set_process_name(name: str) -> None:
    """What process lists show for this process, cut to 15 bytes."""
    ctypes.CDLL(None).prctl(_PR_SET_NAME, name.encode(), 0, 0, 0)
