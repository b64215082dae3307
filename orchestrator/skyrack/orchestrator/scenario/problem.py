"""What is wrong with a scenario, said the way a compiler says it.

mine.yaml:7:5: error: unknown key 'altitde_km'
    altitde_km: 550
    ^^^^^^^^^^
  did you mean 'altitude_km'?
"""

import unicodedata
from dataclasses import dataclass

WIDEST_SHOWN = 120  # characters of a source line; longer lines are cut around the caret


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake: where (1-based; line 0 means the file as a whole), what, and what to write instead."""

    file: str
    line: int
    column: int
    message: str
    hint: str | None = None
    source_line: str = ""
    width: int = 1

    def render(self) -> str:
        """Return the text a terminal shows: position and message, source line, caret, hint."""
        where = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        lines = [f"{where}: error: {self.message}"]
        if self.source_line.strip():
            lines += _quote(self.source_line, self.column - 1, self.width)
        if self.hint:
            lines.append(f"  {self.hint}")
        return "\n".join(lines)


class ScenarioError(Exception):
    """A scenario cannot be used. `problems` holds every mistake that was found, in file order."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        assert problems, "an error needs at least one problem"
        super().__init__(problems)
        self.problems = problems

    def __str__(self) -> str:
        return "\n".join(problem.render() for problem in self.problems)


def _quote(source_line: str, column0: int, width: int) -> list[str]:
    """Return the source line and a caret line below it, cut to the part that matters."""
    text = "".join(char if char.isprintable() else " " for char in source_line).rstrip()
    indent = len(text) - len(text.lstrip())
    start = min(indent, column0)
    if column0 + min(width, 20) - start > WIDEST_SHOWN:
        start = column0 - WIDEST_SHOWN // 2
    shown = text[start : start + WIDEST_SHOWN]
    lead = _columns(text[start:column0])
    caret = max(1, _columns(text[column0 : min(column0 + width, start + WIDEST_SHOWN)]))
    return [f"    {shown}", f"    {' ' * lead}{'^' * caret}"]


def _columns(text: str) -> int:
    """Return how many terminal columns `text` takes: wide characters two, combining ones none."""
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1
        for char in text
    )
