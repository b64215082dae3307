"""Writes the files that are made from the models: python -m skyrack.orchestrator.scenario REPOSITORY_ROOT."""

import sys
from pathlib import Path

from .reference import reference_markdown
from .schema import schema_text

SCHEMA_FILE = "orchestrator/skyrack/orchestrator/scenario/scenario.schema.json"
REFERENCE_FILE = "docs/reference/scenario.md"


def main(root: Path) -> None:
    """Write the JSON schema and the reference page into a checkout."""
    (root / SCHEMA_FILE).write_text(schema_text(), "utf-8")
    (root / REFERENCE_FILE).parent.mkdir(parents=True, exist_ok=True)
    (root / REFERENCE_FILE).write_text(reference_markdown(), "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
