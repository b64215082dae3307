"""The directories of a run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Places:
    """`socket_dir` is the user's alone; nodes and fabric share `mesh_dir`, the same one where all run on one host."""

    socket_dir: Path
    mesh_dir: Path
    run_dir: Path

    @property
    def logs(self) -> Path:
        """Where processes that the run starts write what they have to say."""
        return self.run_dir / "logs"
