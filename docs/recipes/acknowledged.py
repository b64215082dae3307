"""What the clients of the recipes share: write again and again, note what was acknowledged, count what of it is still there.

A line of the notes is a write that was acknowledged: `key`, `t` (Unix time at which the client knew), `took_ms`, `at` (who
acknowledged it). Everything else is *unknown*: it may have been done.
"""

from __future__ import annotations

import contextlib
import json
import signal
import statistics
import sys
import time
from argparse import ArgumentParser, _SubParsersAction
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any


def add_commands(parser: ArgumentParser) -> tuple[ArgumentParser, ArgumentParser]:
    """The parsers of `write` and of `check`, with what both clients take."""
    commands: _SubParsersAction[ArgumentParser] = parser.add_subparsers(dest="command", required=True)
    writing = commands.add_parser("write", help="write one after the other")
    writing.add_argument("--for", dest="for_s", type=float, help="seconds; default: until Ctrl-C")
    writing.add_argument(
        "--period", dest="period_s", type=float, default=0.01, help="seconds between writes, at least"
    )
    writing.add_argument(
        "-o", dest="file", type=Path, required=True, help="where acknowledged writes are noted"
    )
    checking = commands.add_parser("check", help="count acknowledged writes that are not there")
    checking.add_argument("file", type=Path)
    return writing, checking


def write(file: Path, for_s: float | None, period_s: float, put: Callable[[str], str]) -> dict[str, Any]:
    """Call `put` with a new key each time; it returns who acknowledged, or raises ConnectionError. What there is to say."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    stamp, begin = time.time_ns(), time.monotonic()
    took_ms: list[float] = []
    servers: list[tuple[float, str]] = []
    unknown: Counter[str] = Counter()
    last, gap = begin, (0.0, 0.0)
    with contextlib.suppress(KeyboardInterrupt), file.open("w", buffering=1) as notes:
        number = 0
        while for_s is None or time.monotonic() < begin + for_s:
            number += 1
            key, sent = f"{stamp}-{number}", time.monotonic()
            try:
                at = put(key)
            except ConnectionError as error:
                unknown[str(error)] += 1
            else:
                now = time.monotonic()
                took_ms.append(1e3 * (now - sent))
                gap, last = max(gap, (now - last, last - begin)), now
                if not servers or servers[-1][1] != at:
                    servers.append((round(now - begin, 2), at))
                notes.write(
                    json.dumps({"key": key, "t": time.time(), "took_ms": round(took_ms[-1], 3), "at": at})
                    + "\n"
                )
            time.sleep(max(0.0, sent + period_s - time.monotonic()))
    return {
        "acknowledged": len(took_ms),
        "took_ms_p50": round(statistics.median(took_ms), 3) if took_ms else None,
        "by_from_s": servers,
        "longest_gap_s": round(gap[0], 2),
        "gap_from_s": round(gap[1], 2),
        "unknown": dict(unknown),
    }


def check(file: Path, server: str, there: Callable[[list[str]], Iterable[str]]) -> dict[str, Any]:
    """Which noted writes `there`, given all keys, does not return."""
    noted = [json.loads(line) for line in file.read_text().splitlines()]
    found = set(there([one["key"] for one in noted]))
    lost = [one for one in noted if one["key"] not in found]
    said: dict[str, Any] = {"server": server, "acknowledged": len(noted), "lost": len(lost)}
    if lost:
        said |= {"lost_were_acknowledged_by": sorted({one["at"] for one in lost})}
        said |= {"within_s": round(lost[-1]["t"] - lost[0]["t"], 2)}
    return said


def say(said: dict[str, Any]) -> None:
    """One line of JSON."""
    json.dump(said, sys.stdout)
    print()
