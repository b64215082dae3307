"""`python -m skyrack.orchestrator.metrics.reference FILE`: every metric, written into its page of the documentation.

What is above the marker is written by hand.
"""

from __future__ import annotations

import sys
from pathlib import Path

from skyrack.orchestrator.runtime.files import write_whole
from skyrack.v1.metrics import METRICS, Definition

MARKER = "## Every metric\n"
_EXPORTERS = {
    "orchestrator": "The orchestrator",
    "fabric": "The fabric",
    "node": "Every node",
    "load": "Load generators",
}


def reference() -> str:
    """The generated part, in Markdown."""
    lines: list[str] = []
    for exporter, title in _EXPORTERS.items():
        lines += [f"### {title}", "", "| metric | type | unit | labels | meaning |", "|---|---|---|---|---|"]
        lines += [_row(metric) for metric in METRICS.values() if metric.exporter == exporter]
        lines.append("")
    return "\n".join(lines)


def refreshed(page: str) -> str:
    """The page with its generated part made anew. Raises ValueError when it has no marker."""
    head, marker, _ = page.partition(MARKER)
    if not marker:
        raise ValueError(f"the page has no line {MARKER.strip()!r}")
    return head + marker + "\n" + reference()


def _row(metric: Definition) -> str:
    labels = ", ".join(f"`{label}`" for label in metric.labels)
    return f"| `{metric.name}` | {metric.kind} | {metric.unit} | {labels} | {metric.text} |"


def main() -> None:
    """Refresh the page named on the command line."""
    page = Path(sys.argv[1])
    write_whole(page, refreshed(page.read_text(encoding="utf-8")))


if __name__ == "__main__":
    main()
