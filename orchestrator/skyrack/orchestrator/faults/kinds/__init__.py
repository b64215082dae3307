"""Kinds of faults. A new one is a file here and a line in _MODULES."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from skyrack.orchestrator.faults.kinds import (
    clock,
    corrupt,
    cpu,
    dark,
    disk_full,
    down,
    end,
    flap,
    fsync_fail,
    fsync_slow,
    kill,
    latency,
    loss,
    lost,
    partition,
    pause,
    power,
    rate,
    reboot,
    repair,
    retire,
)
from skyrack.orchestrator.faults.kinds.kind import Kind, Parameter

_MODULES = (
    latency,
    rate,
    loss,
    corrupt,
    down,
    flap,
    dark,
    partition,
    kill,
    pause,
    cpu,
    reboot,
    power,
    lost,
    retire,
    repair,
    fsync_slow,
    fsync_fail,
    disk_full,
    clock,
    end,
)
KINDS: Final[Mapping[str, Kind]] = {module.KIND.name: module.KIND for module in _MODULES}

__all__ = ["KINDS", "Kind", "Parameter"]
