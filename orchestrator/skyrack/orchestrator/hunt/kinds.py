"""The kinds of faults that a hunt draws: what each acts on, how long it lasts, and its values from mild to severe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

On = Literal["process", "node", "link", "split"]


@dataclass(frozen=True, slots=True)
class Kind:
    """`on`: nodes with a process, any node, links, or a node against the others. Durations in tenths of a second.

    `longest_ds` 0: it lasts until what it broke is started again, or the load ends.
    """

    on: On
    shortest_ds: int = 0
    longest_ds: int = 0
    values: tuple[str, ...] = ()


KINDS: Final[Mapping[str, Kind]] = {
    "kill": Kind("process"),
    "pause": Kind("process", 5, 80),
    "cpu": Kind("process", 20, 100, ("50%", "10%", "2%")),
    "clock": Kind("process", 10, 100, ("200ms", "-200ms", "1s", "-1s", "5s", "-5s", "30s", "-30s")),
    "dark": Kind("node", 5, 80),
    "down": Kind("link", 5, 80),
    "latency": Kind("link", 10, 100, ("50ms", "200ms", "1s")),
    "loss": Kind("link", 10, 100, ("2%", "10%", "40%")),
    "partition": Kind("split", 10, 80),
}
DEFAULT: Final = ("kill", "pause", "dark", "down", "latency", "loss", "clock", "partition")
