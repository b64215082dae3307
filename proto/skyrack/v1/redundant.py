"""How a command is run in several copies whose results are voted on, wherever it is: by a program before it."""

from __future__ import annotations

from collections.abc import Sequence

PROGRAM = "skyrack.node.redundant"


def redundant(python: str, copies: int, command: Sequence[str]) -> list[str]:
    """The command for `copies` of it; `python`: the interpreter that has Skyrack, as it is called there."""
    return [python, "-m", PROGRAM, "--copies", str(copies), "--", *command]
