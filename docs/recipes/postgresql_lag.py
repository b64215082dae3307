"""How far a standby is behind, seen from both ends: a row every 100 ms at the primary, and when the standby shows it.

    skyrack exec london -- python postgresql_lag.py beat --for 300 london > beats.jsonl
    skyrack exec p2s02 -- python postgresql_lag.py watch --for 300 p2s02 > seen.jsonl

Lines of `beat`: `{"id", "t_s"}`, when a row was committed; once a second what the primary itself says, in ms,
`{"t_s", "write_ms", "flush_ms", "replay_ms"}`. Lines of `watch`: `{"id", "t_s"}`, when a row was first seen. Times are run
time; all nodes of a machine have one clock, so they can be subtracted.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import time

from postgresql_writes import Psql

TABLE = "CREATE TABLE IF NOT EXISTS beats (id integer PRIMARY KEY)"
LAST = "SELECT coalesce(max(id), 0) FROM beats"
LAGS = "SELECT " + ", ".join(
    f"round(extract(epoch FROM {part}_lag) * 1000, 3)" for part in ("write", "flush", "replay")
)
BEAT_S, LOOK_S = 0.1, 0.002


def run_s() -> float:
    """Run time."""
    return (time.monotonic_ns() - int(os.environ["SKYRACK_T0_MONOTONIC_NS"])) * 1e-9


def beat(psql: Psql, until_s: float) -> None:
    """A row, and again."""
    psql.ask(TABLE)
    number, due_s = int(psql.ask(LAST)[0]), run_s()
    while due_s < until_s:
        number += 1
        psql.ask(f"INSERT INTO beats VALUES ({number})")
        say(id=number)
        if number % 10 == 0:
            for row in psql.ask(f"{LAGS} FROM pg_stat_replication"):
                write, flush, replay = (float(value) if value else None for value in row.split("|"))
                say(write_ms=write, flush_ms=flush, replay_ms=replay)
        due_s += BEAT_S
        time.sleep(max(0.0, due_s - run_s()))


def watch(psql: Psql, until_s: float) -> None:
    """Look whether there is a new row, and again."""
    while psql.ask("SELECT to_regclass('beats')") == [""]:
        time.sleep(LOOK_S)
    last = int(psql.ask(LAST)[0])
    while run_s() < until_s:
        found = int(psql.ask(LAST)[0])
        for number in range(last + 1, found + 1):
            say(id=number)
        last = found
        time.sleep(LOOK_S)


def say(**fields: float | None) -> None:
    """A line."""
    print(json.dumps({"t_s": round(run_s(), 5), **fields}), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure how far a standby is behind.")
    parser.add_argument("end", choices=("beat", "watch"))
    parser.add_argument("--for", dest="for_s", type=float, default=300.0, help="seconds")
    parser.add_argument("host")
    given = parser.parse_args()
    with contextlib.closing(Psql([given.host], "any", 10.0, "client_min_messages=warning")) as psql:
        {"beat": beat, "watch": watch}[given.end](psql, run_s() + given.for_s)


if __name__ == "__main__":
    main()
