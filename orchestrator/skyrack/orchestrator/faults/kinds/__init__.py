"""Kinds of faults. A new one is a file here and a line in _MODULES."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from skyrack.orchestrator.faults.kinds import (
    clock,
    corrupt,
    cpu,
    crash,
    dark,
    disk_full,
    down,
    end,
    flap,
    flip_file,
    flip_memory,
    flip_message,
    fsync_fail,
    fsync_slow,
    hang,
    kill,
    latency,
    loss,
    lost,
    partition,
    pause,
    power,
    rate,
    reboot,
    saa,
    sefi,
    storm,
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
    fsync_slow,
    fsync_fail,
    disk_full,
    clock,
    flip_memory,
    flip_file,
    flip_message,
    crash,
    hang,
    sefi,
    storm,
    saa,
    end,
)
KINDS: Final[Mapping[str, Kind]] = {module.KIND.name: module.KIND for module in _MODULES}

__all__ = ["KINDS", "Kind", "Parameter"]
