"""The files of a run directory: streamed lines that survive a full disk, and whole files that are either old or new."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from skyrack.orchestrator.runtime import files

RESULT_FILES = (
    "history.jsonl",
    "probes.jsonl",
    "host.jsonl",
    "fabric.jsonl",
    "result.json",
    "report.html",
    "verify.json",
)


class ReportError(Exception):
    """A file of the run directory cannot be written; the message says which, why, and what is safe."""


class LineFile:
    """Appends lines and never keeps half of one.

    The first failure (a full disk, most likely) ends the writing: what was written stays, `error` tells once what
    happened, and later lines are only counted.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines = 0
        self.lost = 0
        self.error: str | None = None
        self._bytes = 0
        try:
            self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise ReportError(f"cannot write {path}: {error.strerror}") from error

    def write(self, lines: list[str]) -> None:
        """Append `lines`, each without its newline."""
        if self.error is not None:
            self.lost += len(lines)
            return
        data = "".join(line + "\n" for line in lines).encode()
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(self._descriptor, view) :]
        except OSError as error:
            whole = data[: len(data) - len(view)].rfind(b"\n") + 1
            kept = data[:whole].count(b"\n")
            self.lines += kept
            self.lost += len(lines) - kept
            self._bytes += whole
            # Giving bytes back works on a full disk.
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, self._bytes)
            self.error = (
                f"cannot write {self.path}: {error.strerror}; its first {self.lines:,} lines are safe"
            )
            return
        self.lines += len(lines)
        self._bytes += len(data)

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)


def write_whole(path: Path, text: str) -> None:
    """Replace `path` in one step: a reader finds the old file or the new one. Raises ReportError."""
    try:
        files.write_whole(path, text)
    except OSError as error:
        raise ReportError(f"cannot write {path}: {error.strerror}") from error


def set_aside(run_dir: Path) -> Path | None:
    """Move the results of an earlier workload of this run to `earlier-001/` and so on; returns where, None if none."""
    present = [run_dir / name for name in RESULT_FILES if (run_dir / name).exists()]
    if not present:
        return None
    number = 1
    while (folder := run_dir / f"earlier-{number:03d}").exists():
        number += 1
    try:
        folder.mkdir()
        for path in present:
            path.rename(folder / path.name)
    except OSError as error:
        raise ReportError(f"cannot set aside earlier results in {folder}: {error.strerror}") from error
    return folder
