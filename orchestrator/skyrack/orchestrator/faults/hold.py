"""What faults do to a node or to a service at it, for as long as they act, and how several go together."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum

Place = tuple[int, str]  # a node, and the name of a service at it; "" is the node with all that runs there
GUESTS = "*"  # as the service of a place: all user software at the node, without the node's own process


def place_name(place: Place, names: Sequence[str]) -> str:
    """NODE or NODE/SERVICE. `names`: of all nodes."""
    node, service = place
    return f"{names[node]}/{service}" if service else names[node]


class Off(IntEnum):
    """Why nothing runs there; of several the worst holds."""

    ON = 0
    ABSENT = 1  # nothing has been there yet
    REBOOT = 2  # memory and temporary files are gone, what was written stays
    POWER = 3  # what was not fsynced is gone as well
    LOST = 4  # everything is gone


@dataclass(frozen=True, slots=True)
class Hold:
    """The state that a place is held in. `cpu_ratio`: share of a core that all of it gets together, None for as ever.

    `fsync_s`: what is added to each fsync; `fsync_fails`: it fails with EIO. `disk_full`: writes fail with ENOSPC.
    `clock_s`: what is added to the wall clock that its programs read. `drained`: its services have ended, as they do when
    asked to, and none starts. `erased`: their data are gone.
    """

    off: Off = Off.ON
    paused: bool = False
    cpu_ratio: float | None = None
    fsync_s: float = 0.0
    fsync_fails: bool = False
    disk_full: bool = False
    clock_s: float = 0.0
    drained: bool = False
    erased: bool = False


AS_EVER = Hold()


def compose_holds(holds: Iterable[Hold]) -> Hold:
    """All of them at once: times add, the least share of a core holds, the worst wins. Their order does not matter."""
    every = list(holds)
    return Hold(
        off=max((hold.off for hold in every), default=Off.ON),
        paused=any(hold.paused for hold in every),
        cpu_ratio=min((hold.cpu_ratio for hold in every if hold.cpu_ratio is not None), default=None),
        fsync_s=math.fsum(hold.fsync_s for hold in every),
        fsync_fails=any(hold.fsync_fails for hold in every),
        disk_full=any(hold.disk_full for hold in every),
        clock_s=math.fsum(hold.clock_s for hold in every),
        drained=any(hold.drained for hold in every),
        erased=any(hold.erased for hold in every),
    )
