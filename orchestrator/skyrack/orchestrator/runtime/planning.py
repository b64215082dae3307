"""Starts the process that writes plan.jsonl (`plan_file`)."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from skyrack.orchestrator.runtime.events import EventLog

PLAN_SPAN_S = 600.0


async def write_plan(run_dir: Path, events: EventLog) -> None:
    """plan.jsonl, by a process that runs when nobody else wants the CPU. A failure is an event."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "skyrack.orchestrator.runtime.plan_file", str(os.getpid()),
        str(run_dir / "scenario.yaml"), str(PLAN_SPAN_S), str(run_dir / "plan.jsonl"),
        stdin=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        _, stderr = await process.communicate()
        if process.returncode:
            words = stderr.decode(errors="replace").strip().splitlines()
            events.add("plan_failed", error=words[-1] if words else f"status {process.returncode}")
    finally:
        if process.returncode is None:
            process.kill()
