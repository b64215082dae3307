"""The file system of `faults: [disk]`: a write and an fdatasync through it and direct, its memory; libfaketime's clock.

Run: python -m tests.bench --only storage
"""

from __future__ import annotations

import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from skyrack.orchestrator.runtime.services.clocks import Clocks, find_library
from skyrack.orchestrator.runtime.services.disks import Disks
from skyrack.orchestrator.scenario import Service

RECORDS = 1_000
RECORD = b"x" * 512
BULK = bytes(1 << 20)
BULKS = 64
PLACES = ("/var/tmp", "/dev/shm")  # a disk, mostly, and memory
_CLOCK = "import time; n=100_000; t=time.perf_counter(); [time.time() for _ in range(n)]; print((time.perf_counter()-t)/n*1e6)"


async def main() -> None:
    """A write and an fdatasync through the file system of `faults: [disk]` and direct, and a clock of a service's own."""
    isolated = [sys.executable, "-m", "skyrack.orchestrator.runtime.isolate", "--"]  # with mounts of its own
    process = await asyncio.create_subprocess_exec(
        *isolated, sys.executable, "-m", "tests.bench.bench_storage"
    )
    try:
        await process.wait()
    except asyncio.CancelledError:
        await process.wait()  # Ctrl-C reached it too
        raise


async def _measure() -> None:
    print(
        f"{RECORDS:,} records of {len(RECORD)} bytes, each written and fdatasynced; {BULKS} MiB in pieces of 1 MiB"
    )
    print("place     through          write p50, p99    fdatasync p50, p99    bulk")
    for place in PLACES:
        with tempfile.TemporaryDirectory(dir=place) as scratch:
            here = Path(scratch)
            plain, mounted = here / "plain", here / "mounted"
            plain.mkdir()
            mounted.mkdir()
            disks = Disks(here / "log", here, here / "record", lambda status: None)
            disks.mount(("node", "service"), mounted, mounted)
            print(_row(place, "direct", plain))
            print(_row(place, "file system", mounted))
            if place == PLACES[-1]:
                print(f"memory of its process: {_pss_kb(disks.pid) / 1024:.0f} MiB (PSS)")
            disks.end()
    with tempfile.TemporaryDirectory() as scratch:
        here = Path(scratch)
        service = Service.model_validate({"name": "s", "nodes": ["n"], "command": ["true"]})
        print(f"time.time(): {_clock({})} us as ever", end="")
        if find_library() is not None:
            clocks = Clocks("bench", here / ".clocks", here / ".clocks", here / "record")
            print(f", {_clock(clocks.prepare(('n', 's'), service))} us with a clock of its own")
            clocks.end()


def _pss_kb(pid: int) -> int:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def _row(place: str, through: str, directory: Path) -> str:
    fd = os.open(directory / "file", os.O_WRONLY | os.O_CREAT)
    times_us: tuple[list[float], list[float]] = ([], [])
    for _ in range(RECORDS):
        began_s = time.perf_counter()
        os.write(fd, RECORD)
        written_s = time.perf_counter()
        os.fdatasync(fd)
        times_us[0].append((written_s - began_s) * 1e6)
        times_us[1].append((time.perf_counter() - written_s) * 1e6)
    began_s = time.perf_counter()
    for at in range(BULKS):
        os.pwrite(fd, BULK, at << 20)
    rate = BULKS / (time.perf_counter() - began_s)
    os.close(fd)
    write, sync = (
        f"{statistics.median(t):6.0f}, {statistics.quantiles(t, n=100)[98]:6.0f} us" for t in times_us
    )
    return f"{place:9} {through:14} {write}     {sync}    {rate:5.0f} MiB/s"


def _clock(environment: dict[str, str]) -> str:
    ended = subprocess.run(
        [sys.executable, "-c", _CLOCK],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return f"{float(ended.stdout):.2f}"


if __name__ == "__main__":
    asyncio.run(_measure())
