"""What a node's flight software leaves to the next process of the node: a battery does not fill because a node is rebooted."""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import asdict
from pathlib import Path

from skyrack.node.flight.craft import State
from skyrack.node.flight.governor import Mode
from skyrack.node.flight.wear import Wear


class Memory:
    """One file, of one run, written whole or not at all."""

    def __init__(self, path: Path, run: str) -> None:
        self._path = path
        self._run = run

    def load(self) -> tuple[float, Mode, State] | None:
        """Orbit time, mode and state when it was last saved; None: nothing of use is there."""
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
            data = json.loads(self._path.read_bytes())
            if data["run"] == self._run:
                state = State(**(data["state"] | {"wear": Wear(**data["state"]["wear"])}))
                return float(data["t_s"]), Mode[data["mode"]], state
        return None

    def save(self, t_s: float, mode: Mode, state: State) -> None:
        """Replace what is there. Raises OSError."""
        text = json.dumps({"run": self._run, "t_s": t_s, "mode": mode.name, "state": asdict(state)})
        other = self._path.with_suffix(".new")
        other.write_text(text)
        os.replace(other, self._path)
