"""Round trips over 1, 5 and 10 hops beside the host's own floor: `python -m tests.bench.bench_fidelity [--keep DIR]`.

Two runs of Iridium with a process on every satellite, side by side: one with its real delays, one with links of zero delay.
Per hop count the two are probed in turn, 1,000 probes each, while steal time and a canary are recorded. The raw files stay
in DIR, for `docs/design/recompute_fidelity.py`, which shares no code with this.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

SKYRACK = [str(Path(sys.executable).with_name("skyrack"))]
HOPS = (1, 5, 10)
PROBES = 1000
RATE_HZ = 100
SCENARIO = (
    "version: 1\nname: {name}\nextends: iridium\ninhabited: all\nground: []\nlinks: {{zero_delay: {zero}}}\n"
)


def skyrack(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run the command; its output."""
    result = subprocess.run([*SKYRACK, *arguments], text=True, capture_output=True, check=False)
    if check and result.returncode != 0:
        sys.exit(f"skyrack {' '.join(arguments)}: {result.stderr}{result.stdout}")
    return result


def pair_with(hops: int) -> tuple[str, str]:
    """Two satellites whose shortest way has that many hops now."""
    for b in (f"p{plane}s{slot:02}" for plane in range(6) for slot in range(11) if (plane, slot) != (0, 0)):
        answer = json.loads(
            skyrack("ping", "p0s00", b, "-c", "1", "-o", "json", "--run", "fidelity-mesh").stdout
        )
        if len(answer["probes"][0]["path"]) == hops + 1:
            return "p0s00", b
    sys.exit(f"no pair of satellites is {hops} hops apart")


def measure(run: str, a: str, b: str, keep: Path) -> dict[str, Any]:
    """1,000 probes from a to b with the host watched, by the load verb at one operation a second; result.json."""
    seconds = PROBES // RATE_HZ
    arguments = ("--pair", f"{a}>{b}", "--rate", "1", "--for", f"{seconds}s", "--probe-rate", str(RATE_HZ))
    done = skyrack("load", "echo", *arguments, "--run", run, "-o", "json", check=False)
    if not done.stdout:
        sys.exit(done.stderr)
    result: dict[str, Any] = json.loads(done.stdout)
    status = json.loads(skyrack("status", "--run", run, "-o", "json").stdout)
    keep.mkdir(parents=True)
    for file in ("result.json", "probes.jsonl", "host.jsonl", "fabric.jsonl", "history.jsonl"):
        (keep / file).write_bytes((Path(status["run_dir"]) / file).read_bytes())
    return result


def row(hops: int, kind: str, result: dict[str, Any]) -> str:
    """One line of the table."""
    figures, host = result["fidelity"], result["host"]
    cells = [
        f"{figures[key] * 1e3:9.3f}" if figures[key] is not None else "        -"
        for key in ("median_s", "p99_s")
    ]
    steal = f"{host['steal_ratio'] * 100:6.2f} %" if host["steal_ratio"] is not None else "-"
    canary = f"{host['canary_p99_s'] * 1e3:8.2f}" if host["canary_p99_s"] is not None else "-"
    return (
        f"{hops:4}  {kind:6} {figures['packets']:7} {cells[0]} {cells[1]} {figures['false_outages']:8}"
        f"   {host['quiet_windows']:3}/{host['windows']:<3}  {steal} {canary}   {result['verdict'] if kind == 'mesh' else ''}"
    )


def main() -> None:
    """Bring both up, measure, take both down."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", type=Path, help="keep the raw files in this directory")
    keep = parser.parse_args().keep or Path(tempfile.mkdtemp(prefix="skyrack-fidelity-"))
    keep.mkdir(parents=True, exist_ok=True)
    runs = {"mesh": "false", "floor": "true"}
    try:
        for kind, zero in runs.items():
            file = keep / f"{kind}.yaml"
            file.write_text(SCENARIO.format(name=f"fidelity-{kind}", zero=zero))
            skyrack("up", str(file), "-d", "--runs", str(keep / "runs"))
        print(
            "|measured - computed| round trip in ms, in quiet seconds; floor: the same path over links of zero delay"
        )
        print("hops  links   probes    median       p99  outages    quiet    steal   canary p99 ms")
        for hops in HOPS:
            a, b = pair_with(hops)
            for kind in runs:
                result = measure(f"fidelity-{kind}", a, b, keep / f"{hops:02}-{kind}")
                print(row(hops, kind, result), flush=True)
        print(f"raw probes: {keep}; recompute with docs/design/recompute_fidelity.py {keep}/01-mesh")
    finally:
        for kind in runs:
            skyrack("down", "--run", f"fidelity-{kind}", check=False)


if __name__ == "__main__":
    main()
