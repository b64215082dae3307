"""What every kind of service is to the supervisor: one start of it, from `start` to `kill`.

    made -> start() --+--> CannotStartError: never again
                      '--> runs -> wait() -> Ended        by itself
                                -> terminate() ... wait()  asked
                                -> kill()                  insisted; always called, also after it ended

A new kind is one new file with a Runner and one line in `runners.py`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from skyrack.node.clock import Clock
    from skyrack.node.config import NodeConfig
    from skyrack.node.control_link import ControlLink
    from skyrack.node.guest.desk import GuestDesk
    from skyrack.node.reaper import Reaper
    from skyrack.node.services.methods import Methods
    from skyrack.node.services.output import Output
    from skyrack.node.services.pace import Pace
    from skyrack.node.services.processes import Marks


class CannotStartError(Exception):
    """Trying again would not help; the message is the reason, in a sentence."""


@dataclass(frozen=True)
class Ended:
    """How it ended: one of `status` and `signal` is set."""

    status: int | None = None
    signal: int | None = None
    last_words: str = ""
    """The last line it printed, to standard error if it did there; or what an exception says."""
    left: tuple[str, ...] = ()
    """What it left running, each as `name (pid 14)`."""
    bitten: str = ""
    """Why its watchdog has killed it; empty: it has not."""


@dataclass(frozen=True)
class Surroundings:
    """The node's parts that a service's runner may need."""

    config: NodeConfig
    clock: Clock
    control: ControlLink
    """Its `knowledge` is not None once services run."""
    reaper: Reaper
    marks: Marks
    methods: Methods
    """What Python services register on the node's gRPC server."""
    desk: GuestDesk
    """What the node tells its guests."""
    pace: Pace | None = None
    """What Python services keep to together; None: nothing."""


@dataclass(frozen=True)
class Place:
    """What the supervisor has prepared for one service, the same for all its starts."""

    data_dir: str
    environment: dict[str, str]
    """All of it, the scenario's variables included."""
    output: Output
    """Takes its lines: `output.line("stderr", "text")`."""


class Runner(Protocol):
    """One start of one service."""

    @property
    def pid(self) -> int:
        """Its first process in the node's PID namespace; 0 without one."""
        ...

    @property
    def notes(self) -> list[str]:
        """What was asked for and cannot be had here, each in a sentence; complete once `start` has returned."""
        ...

    @property
    def cpu_s(self) -> float:
        """CPU time of those of its processes that have ended; 0 where that is not known."""
        ...

    async def start(self) -> None:
        """Have it run. Raises CannotStartError; OSError is tried again."""
        ...

    def reasons(self) -> AsyncIterator[str]:
        """Why it is not ready, by its own word, and empty when it is: each time that this changes. Unasked with a probe."""
        ...

    async def wait(self) -> Ended:
        """How it ended, once it has. May be cancelled, and called again."""
        ...

    def terminate(self) -> None:
        """Ask it to end, as SIGTERM does. Harmless when it has ended."""
        ...

    async def kill(self) -> None:
        """End all that belongs to it. When this returns nothing of it runs; harmless when nothing does."""
        ...

    def pids(self) -> list[int]:
        """All its processes in the node's PID namespace; for the metrics."""
        ...
