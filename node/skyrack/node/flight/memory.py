"""What a node's flight software leaves to the next process of the node: a battery does not fill because a node is rebooted."""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import asdict
from pathlib import Path

from skyrack.node.flight.craft import State
from skyrack.node.flight.governor import Held
from skyrack.node.flight.reckoning import Kept
from skyrack.node.flight.wear import Wear


class Memory:
    """One file, written whole or not at all. `t0_ns`: CLOCK_MONOTONIC at the start of the run, which no other run has."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self, t0_ns: int) -> Kept | None:
        """What was saved last; None: nothing of this run is there."""
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
            data = json.loads(self._path.read_bytes())
            if data["t0_ns"] == t0_ns:
                state = State(**(data["state"] | {"wear": Wear(**data["state"]["wear"])}))
                return Kept(float(data["t_s"]), Held(**data["held"]), state)
        return None

    def save(self, t0_ns: int, kept: Kept) -> None:
        """Replace what is there. Raises OSError."""
        other = self._path.with_suffix(".new")
        other.write_text(json.dumps({"t0_ns": t0_ns, **asdict(kept)}))
        os.replace(other, self._path)
