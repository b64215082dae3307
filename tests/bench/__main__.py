"""`python -m tests.bench [--only NAME ...]`: what the mesh costs here, beside a baseline measured in the same run.

Absolute figures belong to the machine; the ratios are what to compare between machines and between versions.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from . import (
    bench_checkers,
    bench_convergence,
    bench_engine,
    bench_entry,
    bench_handovers,
    bench_link_changes,
    bench_live,
    bench_postgresql,
    bench_rates,
    bench_redis,
    bench_run,
    bench_shares,
    bench_storage,
    bench_strategies,
    bench_transfers,
)


async def geometry() -> None:
    """One geometry step, by satellites and stations."""
    script = Path(__file__).with_name("bench_geometry.py")
    process = await asyncio.create_subprocess_exec(sys.executable, str(script))
    try:
        await process.wait()
    except asyncio.CancelledError:
        await process.wait()  # Ctrl-C reached it too
        raise


async def strategies() -> None:
    """One decision of each routing strategy at 1,584 satellites."""
    await asyncio.to_thread(bench_strategies.main)


BENCHES: dict[str, Callable[[], Awaitable[None]]] = {
    "engine": bench_engine.main,
    "geometry": geometry,
    "strategies": strategies,
    "checkers": bench_checkers.main,
    "udp": bench_live.udp,
    "queue": bench_live.queue,
    "tcp": bench_live.tcp,
    "rates": bench_rates.main,
    "run": bench_run.main,
    "shares": bench_shares.main,
    "convergence": bench_convergence.main,
    "handovers": bench_handovers.main,
    "transfers": bench_transfers.main,
    "entry": bench_entry.main,
    "storage": bench_storage.main,
    "changes": bench_link_changes.main,
    "redis": bench_redis.main,
    "postgresql": bench_postgresql.main,
}


async def _all(names: list[str]) -> None:
    for name in names:
        bench = BENCHES[name]
        print(f"\n{name}: {(bench.__doc__ or '').splitlines()[0]}", flush=True)
        begun = time.perf_counter()
        await bench()
        print(f"  ({time.perf_counter() - begun:.0f} s)", flush=True)


def main() -> None:
    """Run the benches that were asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--only", action="append", choices=BENCHES, help="only this bench; may be repeated")
    names = parser.parse_args().only or list(BENCHES)
    load = os.getloadavg()[0]
    print(
        f"{len(os.sched_getaffinity(0))} cores, load {load:.1f}, Python {sys.version.split()[0]}, {os.uname().release}"
    )
    try:
        asyncio.run(_all(names))
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
