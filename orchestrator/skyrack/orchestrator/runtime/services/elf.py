"""Programs and libraries as files: whether a library can be loaded into a program before all others, and what it shows.

64-bit ELF; see elf(5).
"""

from __future__ import annotations

import os
import shutil
import struct
from collections.abc import Collection
from pathlib import Path

_PT_INTERP = 3
_SHT_DYNSYM = 11
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


def without(library: bytes, names: Collection[str]) -> bytes:
    """The library with these functions for itself alone: programs have those of the next one. Raises ValueError."""
    if library[:5] != b"\x7fELF\x02":
        raise ValueError("not a 64-bit ELF file")
    order = "<" if library[5] == 1 else ">"
    (sections_at,) = struct.unpack_from(f"{order}Q", library, 40)
    section_size, sections = struct.unpack_from(f"{order}HH", library, 58)
    wanted = {name.encode() for name in names}
    changed = bytearray(library)
    for at in range(sections_at, sections_at + sections * section_size, section_size):
        if struct.unpack_from(f"{order}I", library, at + 4)[0] != _SHT_DYNSYM:
            continue
        offset, size, link = struct.unpack_from(f"{order}QQI", library, at + 24)
        texts = _section(library, order, sections_at + link * section_size)
        for symbol in range(offset, offset + size, 24):
            (name,) = struct.unpack_from(f"{order}I", library, symbol)
            if (
                texts[name : texts.index(b"\0", name)] in wanted
                and changed[symbol + 6 : symbol + 8] != b"\0\0"
            ):
                changed[symbol + 4] &= 0x0F  # its binding: local, which the dynamic linker passes over
    return bytes(changed)
