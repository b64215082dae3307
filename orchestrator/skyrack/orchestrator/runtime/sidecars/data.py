"""Data directories of sidecars: volumes that every user may write to, with the files their services are to find."""

from __future__ import annotations

import os
from pathlib import Path

from skyrack.orchestrator.scenario.placement import SIDECAR_DATA
from skyrack.v1 import flip_file
from skyrack.v1.draw import Draw

# An image's program may run as any user, whose number nobody knows outside of the image.
DIRECTORY_MODE, FILE_MODE = 0o777, 0o666


def prepare(data: Path, files: Path) -> None:
    """Fill each directory in `data`, with what `files` has in one of the same name. Raises OSError."""
    for directory in sorted(data.iterdir()):
        fill(directory, files / directory.name)


def fill(directory: Path, texts: Path) -> None:
    """Open a directory to everybody, and write there what the directory `texts` has, if there is one. Raises OSError."""
    directory.chmod(DIRECTORY_MODE)
    for text in sorted(texts.iterdir()) if texts.is_dir() else ():
        write_where_absent(directory / text.name, text.read_bytes())


def write_where_absent(path: Path, text: bytes) -> None:
    """A file for everybody; one that is there stays: it may be of an earlier start. Raises OSError."""
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    except FileExistsError:
        return
    with os.fdopen(file, "wb") as out:
        os.fchmod(file, FILE_MODE)
        out.write(text)


def flip(directory: Path, draw: str) -> str:
    """Turn a bit of a file below a directory over; what was done, in words, as the sidecar sees it. Raises OSError."""
    return flip_file.flip([str(directory)], Draw(draw)).replace(f"{directory}/", f"{SIDECAR_DATA}/", 1)
