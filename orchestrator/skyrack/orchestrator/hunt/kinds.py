"""How a hunt draws each kind of fault: how long it lasts, and its values from mild to severe. What they are: faults/kinds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from skyrack.orchestrator.faults import kinds


@dataclass(frozen=True, slots=True)
class Kind:
    """Durations in tenths of a second; 0 where the kind does not last. `values` as words.

    `of_service`: it may act on the service under test alone, as NODE/SERVICE.
    """

    shortest_ds: int = 0
    longest_ds: int = 0
    values: tuple[str, ...] = ()
    of_service: bool = False


KINDS: Final[Mapping[str, Kind]] = {
    "kill": Kind(of_service=True),
    "pause": Kind(5, 80, of_service=True),
    "cpu": Kind(20, 100, ("50%", "10%", "2%"), of_service=True),
    "reboot": Kind(10, 80),
    "power": Kind(10, 80),
    "lost": Kind(10, 80),
    "clock": Kind(10, 100, ("1s", "-1s", "5s", "-5s", "30s", "-30s"), of_service=True),
    "fsync-slow": Kind(10, 100, ("10ms", "100ms", "1s"), of_service=True),
    "fsync-fail": Kind(5, 50, of_service=True),
    "disk-full": Kind(5, 50, of_service=True),
    "dark": Kind(5, 80),
    "down": Kind(5, 80),
    "latency": Kind(10, 100, ("50ms", "200ms", "1s")),
    "loss": Kind(10, 100, ("2%", "10%", "40%")),
    "rate": Kind(10, 100, ("10Mbit", "1Mbit", "100kbit")),
    "partition": Kind(10, 80),
}
DEFAULT: Final = ("kill", "pause", "clock", "dark", "down", "latency", "loss", "partition")


def acts_on(kind: str) -> str:
    """What a kind acts on: links, nodes, places (what runs at a node) or sides (of a partition)."""
    return kinds.KINDS[kind].acts_on
