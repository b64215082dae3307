"""Checking 100,000 operations of 50 clients: seconds and peak memory per model, on one key and on many.

Histories are recorded from simulated objects that are right; half of the operations change something, 0.1 % have an unknown
outcome. Each row is a process of its own. `states` are configurations that the search remembered: none where every value
occurs once and the model has a shortcut.

Run: python -m tests.bench --only checkers
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import time
from random import Random

from skyrack.check import check
from skyrack.history import Header, History

from ..unit import histories

OPERATIONS = 100_000
# Model, keys, clients, values: 0 for ever new ones; fewer operations where that is the limit.
CASES = [
    ("kv", 20, 50, 0, OPERATIONS),
    ("kv", 1, 50, 0, OPERATIONS),
    ("kv", 20, 50, 5, OPERATIONS),
    ("kv", 1, 10, 5, OPERATIONS),
    ("kv", 1, 50, 5, OPERATIONS),
    ("register", 1, 50, 0, OPERATIONS),
    ("queue", 20, 50, 0, OPERATIONS),
    ("queue", 1, 50, 0, OPERATIONS),
    ("set", 1000, 50, 0, OPERATIONS),
    ("set", 100, 50, 0, OPERATIONS),
    ("append", 1000, 50, 0, OPERATIONS),
    ("append", 100, 50, 0, OPERATIONS),
    ("large bank", 1, 5, 0, OPERATIONS),
    ("large bank", 1, 10, 0, 20_000),
]


def measure(kind: str, keys: int, clients: int, values: int, count: int) -> dict[str, object]:
    """One row: everything that `skyrack check` does but reading the file."""
    operations = histories.simulated(
        kind, Random(1), count, clients=clients, keys=keys, values=values, unknown=0.001
    )
    model = kind.split()[-1]
    history = History(Header(model, model, options=histories.OPTIONS.get(kind, {})), operations)
    begun = time.process_time()
    report = check(history)
    took_s = time.process_time() - begun
    peak_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = report.checks[0]
    return {
        "took_s": took_s,
        "mb": peak_kb / 1024,
        "verdict": found.verdict,
        "states": found.figures["states"],
    }


async def main() -> None:
    """Seconds of CPU and memory of checking, by model, keys and clients."""
    print(
        f"{'model':>10} {'keys':>5} {'clients':>7} {'values':>6} {'operations':>10} {'CPU s':>6} "
        f"{'peak MB':>8} {'states':>8}  linearizable"
    )
    for kind, keys, clients, values, count in CASES:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", __name__, kind, str(keys), str(clients), str(values), str(count),
            stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, _ = await process.communicate()
        row = json.loads(out)
        print(
            f"{kind.split()[-1]:>10} {keys:>5} {clients:>7} {values or 'new':>6} {count:>10,} {row['took_s']:>6.1f} "
            f"{row['mb']:>8.0f} {row['states']:>8,}  {row['verdict']}",
            flush=True,
        )


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1], *map(int, sys.argv[2:]))))
