"""The workload that docs/12-workloads.md writes: it is the file that the page shows, and finds what it says it finds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from skyrack.workloads import find_workload
from skyrack.workloads.rehearsal import rehearse
from skyrack.workloads.stores.memory import Memory, MemoryStore

DOCS = Path(__file__).parents[2] / "docs"
COUNTER = DOCS / "workloads" / "counter.py"


def test_the_page_shows_the_file() -> None:
    page = (DOCS / "12-workloads.md").read_text()
    assert f"```python\n# counter.py\n{COUNTER.read_text()}```" in page


async def test_a_store_that_compares_loses_no_increment() -> None:
    workload, memory = find_workload(f"{COUNTER}:Counter").of({"keys": 2}), Memory()
    report = workload.checks(await rehearse(workload, lambda: MemoryStore(memory)))
    assert report.verdict == "ok", str(report)


async def test_the_bug_that_the_page_plants_is_found() -> None:
    page = (DOCS / "12-workloads.md").read_text()
    planted = page.partition("from skyrack.workloads.stores.memory import Memory, MemoryStore\n")[
        2
    ].partition("```")[0]
    names: dict[str, Any] = {
        "Counter": find_workload(f"{COUNTER}:Counter"), "rehearse": rehearse, "Memory": Memory, "MemoryStore": MemoryStore,
    }  # fmt: skip
    exec(planted, names)
    await names["test_a_lost_increment_is_found"]()
