"""Whether a library can be loaded into a program before all others, from the program's file. Pure but for reading it."""

from __future__ import annotations

import os
import shutil
import struct
from pathlib import Path

_PT_INTERP = 3
_GO = b".go.buildinfo"
_MOST_SCRIPTS = 4  # that lead to one another


def why_not_preloaded(program: str, path: str | None = None) -> str | None:
    """Why LD_PRELOAD does nothing to a program; None when it does, or when nothing can be known.

    A script is judged by its interpreter. `path`: as PATH.
    """
    for _ in range(_MOST_SCRIPTS):
        found = shutil.which(program, path=path)
        if found is None:
            return None
        try:
            data = Path(found).read_bytes()
        except OSError:
            return None
        if not data.startswith(b"#!"):
            return _why_not_elf(found, data)
        words = os.fsdecode(data[2 : data.find(b"\n")]).split()
        if words and words[0].endswith("/env"):
            words = [word for word in words[1:] if not word.startswith("-") and "=" not in word]
        if not words:
            return None
        program = words[0]
    return None


def _why_not_elf(name: str, data: bytes) -> str | None:
    if data[:4] != b"\x7fELF" or data[4] != 2:
        return None
    order = "<" if data[5] == 1 else ">"
    segments_at, sections_at = struct.unpack_from(f"{order}QQ", data, 32)
    segment_size, segments, section_size, sections, names = struct.unpack_from(f"{order}5H", data, 54)
    texts = _section(data, order, sections_at + names * section_size) if sections else b""
    for at in range(sections):
        (offset,) = struct.unpack_from(f"{order}I", data, sections_at + at * section_size)
        if texts[offset:].split(b"\0", 1)[0] == _GO:
            return f"{name} is a Go program, which reads the clock without the C library"
    kinds = [
        struct.unpack_from(f"{order}I", data, segments_at + at * segment_size)[0] for at in range(segments)
    ]
    if _PT_INTERP not in kinds:
        return f"{name} is linked statically: no library can be loaded before its own"
    return None


def _section(data: bytes, order: str, at: int) -> bytes:
    offset, size = struct.unpack_from(f"{order}QQ", data, at + 24)
    return data[offset : offset + size]
