"""Data directories of sidecars: volumes that every user may write to, with the files their services are to find."""

from __future__ import annotations

import os
from pathlib import Path

# An image's program may run as any user, whose number nobody knows outside of the image.
DIRECTORY_MODE, FILE_MODE = 0o777, 0o666


def prepare(data: Path, files: Path) -> None:
    """Open each directory in `data`, and write there what `files` has in one of the same name. Raises OSError."""
    for directory in sorted(data.iterdir()):
        directory.chmod(DIRECTORY_MODE)
        texts = files / directory.name
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
