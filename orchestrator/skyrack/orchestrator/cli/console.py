"""Output habits: results on stdout, everything else on stderr; colour only on a terminal and without NO_COLOR."""

from __future__ import annotations

import json
import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer


class Format(StrEnum):
    """How to print a result."""

    TABLE = "table"
    JSON = "json"


Output = Annotated[Format, typer.Option("--output", "-o", help="How to print the result.")]


def coloured(text: str, code: str, stream: Any = None) -> str:
    """`text` in an ANSI colour where the stream is a terminal that wants it."""
    stream = stream or sys.stderr
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb" or not stream.isatty():
        return text
    return f"\x1b[{code}m{text}\x1b[0m"


def complain(message: str, hint: str = "") -> None:
    """An error on stderr, with what to do about it."""
    print(f"{coloured('error:', '1;31')} {message}", file=sys.stderr)
    if hint:
        print(f"{coloured('hint:', '1;36')} {hint}", file=sys.stderr)


def note(message: str) -> None:
    """A remark on stderr."""
    print(f"{coloured('note:', '36')} {message}", file=sys.stderr)


def shortened(path: Path) -> Path:
    """Relative to here where that is shorter to read and to type."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def print_json(value: Any) -> None:
    """A JSON result on stdout."""
    print(json.dumps(value, indent=2))


def print_table(headers: list[str], rows: list[list[str]]) -> None:
    """Columns on stdout, as wide as their content; cut by nothing, so that `grep` and `awk` work."""
    widths = [max(len(row[i]) for row in [headers, *rows]) for i in range(len(headers))]
    for number, row in enumerate([headers, *rows]):
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        print(coloured(line, "1", sys.stdout) if number == 0 else line)
