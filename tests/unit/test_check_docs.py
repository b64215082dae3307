"""The examples of the documentation run and print what it says."""

import re
import subprocess
import sys
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def ran(code: str, directory: Path) -> str:
    """What a program prints."""
    (directory / "mine.py").write_text(code)
    command = [sys.executable, "mine.py"]
    return subprocess.run(command, cwd=directory, capture_output=True, text=True, check=True).stdout


def test_the_program_of_the_chapter_prints_what_the_chapter_shows(tmp_path: Path) -> None:
    text = (DOCS / "11-checks.md").read_text()
    found = re.search(r"```python\n(.*?)```\n\n```console\n\$ python mine\.py\n(.*?)```", text, re.DOTALL)
    assert found is not None
    assert ran(found[1], tmp_path) == found[2]


def test_the_program_of_the_format_reads_what_it_writes(tmp_path: Path) -> None:
    found = re.search(r"```python\n(.*?)```", (DOCS / "reference" / "history.md").read_text(), re.DOTALL)
    assert found is not None
    assert ran(found[1], tmp_path).splitlines() == ["write x ok 0.19999999999999996", "kv 1 False"]
