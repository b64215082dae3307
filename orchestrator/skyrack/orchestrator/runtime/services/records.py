"""Files that say, a path per line, what a run makes outside of its directories: written before it is made."""

from __future__ import annotations

import contextlib
from pathlib import Path


def write_down(record: Path, *paths: Path) -> None:
    """Add paths. Raises OSError."""
    with record.open("a") as file:
        file.writelines(f"{path}\n" for path in paths)


def written_down(record: Path) -> list[Path]:
    """All of them; none where there is no such file."""
    with contextlib.suppress(OSError):
        return [Path(line) for line in record.read_text().splitlines() if line.startswith("/")]
    return []
