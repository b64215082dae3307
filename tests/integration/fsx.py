"""`python fsx.py SEED STEPS`: the same random operations on a mounted disk and on a plain directory, compared all the time.

After fsx of Apple and the Linux Test Project. Run in a user and mount namespace of its own. Prints `same` when they were.
"""

from __future__ import annotations

import asyncio
import mmap
import os
import random
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from skyrack.orchestrator.runtime.services.disks import Disks

NAMES = ("a", "b", "c", "d/x", "d/y", "e/z")
Both = Callable[[Path], Any]


def _done(operation: Both, root: Path) -> tuple[str, Any]:
    try:
        return "ok", operation(root)
    except OSError as error:
        return "error", error.errno


def _tree(root: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for path in root.rglob("*"):
        status = path.lstat()
        what = os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else None
        links = None if path.is_dir() else status.st_nlink
        found[str(path.relative_to(root))] = (status.st_mode, links, what)
    return found


def _on_file(name: str, flags: int, do: Callable[[int], Any]) -> Both:
    def operation(root: Path) -> Any:
        fd = os.open(root / name, flags, 0o640)
        try:
            return do(fd)
        finally:
            os.close(fd)

    return operation


def _mapped(flush: bool) -> Callable[[int], Any]:
    def do(fd: int) -> bytes | None:
        size = os.fstat(fd).st_size
        if size < 10:
            return None
        with mmap.mmap(fd, size) as memory:
            memory[size // 2] = 7
            memory[3:6] = b"mmm"
            if flush:
                memory.flush()
            return bytes(memory[:20])

    return do


def _nameless(data: bytes) -> Both:
    def operation(root: Path) -> Any:
        fd = os.open(root / "nameless", os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
        try:
            os.unlink(root / "nameless")
            os.write(fd, data)
            os.fsync(fd)
            os.ftruncate(fd, len(data) // 2)
            return os.fstat(fd).st_nlink, os.pread(fd, 99_999, 0)
        finally:
            os.close(fd)

    return operation


def _draw(chance: random.Random) -> Both:
    name, other, directory = chance.choice(NAMES), chance.choice(NAMES), chance.choice("de")
    offset, length = chance.choice([0, 5, 4096, chance.randrange(20_000)]), chance.randrange(1, 9_000)
    data = bytes([chance.randrange(256)]) * length
    operations: list[Both] = [
        _on_file(name, os.O_CREAT | os.O_RDWR, lambda fd: os.pwrite(fd, data, offset)),
        _on_file(name, os.O_WRONLY | os.O_APPEND, lambda fd: os.write(fd, data)),
        _on_file(name, os.O_WRONLY | os.O_TRUNC, lambda fd: os.write(fd, data)),
        _on_file(name, os.O_RDWR | os.O_DSYNC, lambda fd: os.pwrite(fd, data, offset)),
        _on_file(name, os.O_RDWR, lambda fd: os.ftruncate(fd, offset)),
        _on_file(name, os.O_RDWR, lambda fd: os.posix_fallocate(fd, offset, length)),
        _on_file(name, os.O_RDWR, lambda fd: os.fdatasync(fd)),
        _on_file(name, os.O_RDONLY, lambda fd: os.pread(fd, length, offset)),
        _on_file(name, os.O_RDWR, _mapped(flush=bool(offset % 2))),
        lambda root: os.truncate(root / name, offset),
        lambda root: os.rename(root / name, root / other),
        lambda root: os.unlink(root / name),
        lambda root: os.link(root / name, root / other),
        lambda root: os.symlink(name, root / other),
        lambda root: os.chmod(root / name, 0o600 if offset % 2 else 0o644),
        lambda root: os.mkdir(root / directory, 0o750),
        lambda root: os.rmdir(root / directory),
        lambda root: os.rename(root / directory, root / ("e" if directory == "d" else "d")),
        _nameless(data),
    ]
    return chance.choice(operations)


async def main(seed: int, steps: int) -> None:
    """Raises AssertionError with the step at which they were not the same."""
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory() as scratch:
        here = Path(scratch)
        mounted, plain = here / "mounted", here / "plain"
        mounted.mkdir()
        plain.mkdir()
        disks = Disks(here / "log", here, here / "record", lambda status: None)
        disks.mount(("node", "service"), mounted, mounted)
        for step in range(steps):
            operation = _draw(chance)
            came = [_done(operation, root) for root in (mounted, plain)]
            assert came[0] == came[1], f"step {step} of seed {seed}: {came}"
            if step % 20 == 0:
                assert _tree(mounted) == _tree(plain), f"step {step} of seed {seed}"
        assert _tree(mounted) == _tree(plain)
        disks.end()
        assert _tree(mounted) == _tree(plain), "after the end the files are there, and nothing else"
        assert not (here / "log").read_text()
    print("same")


if __name__ == "__main__":
    asyncio.run(main(*map(int, sys.argv[1:])))
