"""A whole run of Iridium with a process on every satellite: time to serving, and memory by part."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path

from .command_run import command_run

BASELINE = "import grpc, numpy; input()"


async def main() -> None:
    """skyrack up iridium, 66 inhabited: seconds until all serve, and memory (PSS) by part."""
    async with command_run("version: 1\nname: bench\nextends: iridium\ninhabited: all\n") as run:
        begun = time.perf_counter()
        await run.up()
        took_s = time.perf_counter() - begun
        status = json.loads(await run.skyrack("status", "-o", "json"))
        _print(took_s, _import_s(), status, str(run.directory))


def _print(took_s: float, import_s: float, status: dict[str, object], directory: str) -> None:
    nodes = status["nodes"]
    assert isinstance(nodes, list)
    serving = sum(node["state"] == "serving" for node in nodes)
    print(f"  {serving} of {len(nodes)} nodes serving after {took_s:.2f} s,", end=" ")
    print(f"{took_s / import_s:.1f} times one start of Python with grpc and numpy ({import_s:.2f} s)")
    print("  part           processes   PSS MB   MB each")
    for part, sizes in sorted(_pss_by_part(directory).items()):
        total = sum(sizes) / 1e6
        print(f"  {part:13} {len(sizes):10} {total:8.1f} {total / len(sizes):9.2f}")


def _import_s() -> float:
    """Baseline of this machine: one interpreter with the two heaviest imports."""
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-c", BASELINE], input=b"\n", check=True)
    return time.perf_counter() - begun


def _pss_by_part(directory: str) -> dict[str, list[int]]:
    """Bytes of every process of the run, found by the socket directory in their environment."""
    parts: dict[str, list[int]] = defaultdict(list)
    for process in Path("/proc").iterdir():
        if not process.name.isdigit() or int(process.name) == os.getpid():
            continue
        with contextlib.suppress(OSError, StopIteration):
            if f"SKYRACK_SOCKET_DIR={directory}".encode() not in (process / "environ").read_bytes():
                continue
            command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            rollup = (process / "smaps_rollup").read_text().splitlines()
            pss_kb = next(line for line in rollup if line.startswith("Pss:")).split()[1]
            parts[_part(command)].append(int(pss_kb) * 1024)
    return parts


def _part(command: str) -> str:
    for word, part in (
        ("orchestrator.fabric", "fabric"),
        ("node.zygote", "nodes"),
        ("orchestrator.runtime", "orchestrator"),
        ("measure", "measurement"),
    ):
        if word in command:
            return part
    return command.split()[0] if command.split() else "other"
