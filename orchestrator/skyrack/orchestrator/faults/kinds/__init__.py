"""Kinds of faults. A new one is a file here and a line in KINDS."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from skyrack.orchestrator.faults.kinds import dark, down, latency, loss, rate
from skyrack.orchestrator.faults.kinds.kind import Kind, Parameter

KINDS: Final[Mapping[str, Kind]] = {
    kind.name: kind for kind in (latency.KIND, rate.KIND, loss.KIND, down.KIND, dark.KIND)
}

__all__ = ["KINDS", "Kind", "Parameter"]
