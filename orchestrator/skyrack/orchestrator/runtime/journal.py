"""What an orchestrator that goes on with a run has to know of it: a file of JSON objects, one a line, appended to."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any


class Journal:
    """Appends; a disk that is full costs what an orchestrator to come would have known, never the run."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def append(self, records: Iterable[Mapping[str, Any]]) -> None:
        """Add them, in order. What was cut before, by a kill or a full disk, costs no line but its own."""
        data = "".join(json.dumps(record) + "\n" for record in records).encode()
        if not data:
            return
        with contextlib.suppress(OSError), self._path.open("a+b") as file:
            if file.tell():
                file.seek(-1, os.SEEK_END)
                data = data if file.read() == b"\n" else b"\n" + data
            file.write(data)

    def read(self) -> list[dict[str, Any]] | None:
        """Every record that is whole, in order; None where there is no journal."""
        try:
            lines = self._path.read_bytes().splitlines()
        except OSError:
            return None
        found: list[dict[str, Any]] = []
        for line in lines:
            with contextlib.suppress(ValueError):
                if isinstance(record := json.loads(line), dict):
                    found.append(record)
        return found
