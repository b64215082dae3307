"""A client that writes to PostgreSQL through `psql`, notes what was committed, and later counts what of it is still there.

    python postgresql_writes.py write --for 20 -o acked.jsonl london p2s02     # whichever of them takes writes
    python postgresql_writes.py check acked.jsonl p2s02

One transaction at a time, each one row. A write is *acknowledged* when COMMIT returned. Anything else is *unknown*: it may
be there. `--commit` sets synchronous_commit of the session. Needs `psql` and the standard library.
"""

from __future__ import annotations

import argparse
import json
import os
import select
import statistics
import subprocess
import sys
import time
from typing import Any

TABLE = "CREATE TABLE IF NOT EXISTS writes (key text PRIMARY KEY, at timestamptz DEFAULT clock_timestamp())"
ANSWERED = "answered"  # what psql prints when a statement has ended
FAILED = "psql: no answer"


class Database:
    """A `psql` that is kept: statement in, rows out. No answer in time, or an error, is a ConnectionError; begin anew then."""

    def __init__(self, hosts: list[str], writable: bool, timeout_s: float, settings: str = "") -> None:
        wanted = "read-write" if writable else "any"
        target = (
            f"host={','.join(hosts)} user=postgres dbname=postgres target_session_attrs={wanted} connect_timeout=2"
            f" options='{settings}'"
        )
        self._timeout_s = timeout_s
        self._process = subprocess.Popen(
            ["psql", "-qAtX", "-v", "ON_ERROR_STOP=1", "-d", target],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        self._rest = b""
        try:
            (self.host,) = self.ask("SELECT current_setting('cluster_name')", len(hosts) * 2.5)
        except ConnectionError:
            self.close()
            raise

    def ask(self, statement: str, timeout_s: float | None = None) -> list[str]:
        """The rows of one statement."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(f"{statement};\n\\echo {ANSWERED}\n".encode())
            self._process.stdin.flush()
        except OSError as error:
            raise ConnectionError(self._reason()) from error
        deadline = time.monotonic() + (timeout_s or self._timeout_s)
        while ANSWERED.encode() + b"\n" not in self._rest:
            left_s = deadline - time.monotonic()
            if left_s <= 0.0 or not select.select([self._process.stdout], [], [], left_s)[0]:
                raise ConnectionError("no answer in time")
            data = os.read(self._process.stdout.fileno(), 65536)
            if not data:
                raise ConnectionError(self._reason())
            self._rest += data
        answer, _, self._rest = self._rest.partition(ANSWERED.encode() + b"\n")
        return answer.decode().splitlines()

    def close(self) -> None:
        """Without a word to the server."""
        self._process.kill()
        self._process.communicate()

    def _reason(self) -> str:
        assert self._process.stderr is not None
        return (self._process.stderr.read().decode().strip().splitlines() or [FAILED])[-1]


def write(
    hosts: list[str], for_s: float, period_s: float, commit: str, timeout_s: float, path: str
) -> dict[str, Any]:
    """Write until the time is over; a line for each acknowledged write to `path`; what there is to say."""
    stamp, begin = time.time_ns(), time.monotonic()
    acked, unknown, number = 0, 0, 0
    reasons: dict[str, int] = {}
    servers: list[tuple[float, str]] = []
    took_ms: list[float] = []
    last, gap = begin, (0.0, 0.0, 0.0)  # seconds without an acknowledgement: how many, from, to
    database: Database | None = None
    with open(path, "w", buffering=1) as lines:
        while (now := time.monotonic()) < begin + for_s:
            number += 1
            key = f"{stamp}-{number}"
            try:
                if database is None:
                    database = Database(hosts, True, timeout_s, f"-c synchronous_commit={commit}")
                    if number == 1:
                        database.ask(TABLE)
                    now = time.monotonic()
                database.ask(f"INSERT INTO writes (key) VALUES ('{key}')")
            except ConnectionError as error:
                unknown += 1
                reasons[str(error)] = reasons.get(str(error), 0) + 1
                if database is not None:
                    database.close()
                    database = None
            else:
                acked += 1
                done = time.monotonic()
                took_ms.append(1e3 * (done - now))
                gap = max(gap, (done - last, last - begin, done - begin))
                last = done
                if not servers or servers[-1][1] != database.host:
                    servers.append((round(done - begin, 3), database.host))
                lines.write(
                    json.dumps(
                        {"key": key, "t": time.time(), "took_ms": round(took_ms[-1], 3), "at": database.host}
                    )
                    + "\n"
                )
            time.sleep(max(0.0, now + period_s - time.monotonic()))
    if database is not None:
        database.close()
    return {
        "acknowledged": acked, "unknown": unknown, "servers": servers,
        "commit_ms": {"p50": round(statistics.median(took_ms), 3), "max": round(max(took_ms), 3)} if took_ms else None,
        "longest_gap_s": [round(value, 3) for value in gap], "reasons": reasons,
    }  # fmt: skip


def check(hosts: list[str], timeout_s: float, paths: list[str]) -> dict[str, Any]:
    """Which acknowledged writes the server does not have."""
    acked = [json.loads(line) for path in paths for line in open(path)]
    database = Database(hosts, False, timeout_s)
    there = set(database.ask("SELECT key FROM writes", 10.0))
    database.close()
    lost = [entry for entry in acked if entry["key"] not in there]
    found: dict[str, Any] = {"server": database.host, "acknowledged": len(acked), "lost": len(lost)}
    if lost:
        found["lost_within_s"] = round(lost[-1]["t"] - lost[0]["t"], 3)
        found["acknowledged_by"] = sorted({entry["at"] for entry in lost})
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="Write to PostgreSQL and count what is lost.")
    commands = parser.add_subparsers(dest="command", required=True)
    writing = commands.add_parser("write")
    writing.add_argument("--for", dest="for_s", type=float, default=20.0, help="seconds")
    writing.add_argument(
        "--period", dest="period_s", type=float, default=0.01, help="seconds from write to write, at least"
    )
    writing.add_argument(
        "--commit", default="on", help="synchronous_commit: off, local, remote_write, on, remote_apply"
    )
    writing.add_argument("-o", dest="path", required=True)
    checking = commands.add_parser("check")
    checking.add_argument("paths", metavar="FILE", action="append")
    for one in (writing, checking):
        one.add_argument("hosts", metavar="HOST", nargs="+")
        one.add_argument("--timeout", dest="timeout_s", type=float, default=1.0, help="seconds for an answer")
    given = parser.parse_args()
    if given.command == "write":
        found = write(given.hosts, given.for_s, given.period_s, given.commit, given.timeout_s, given.path)
    else:
        found = check(given.hosts, given.timeout_s, given.paths)
    json.dump(found, sys.stdout)
    print()


if __name__ == "__main__":
    main()
