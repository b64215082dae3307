"""`python -m skyrack.orchestrator.cli.reference FILE`: every verb and option, written into its page of the documentation.

Made from the commands themselves; what is above the marker is written by hand.
"""

from __future__ import annotations

import sys
from enum import Enum
from pathlib import Path
from typing import Any

from skyrack.orchestrator.cli.main import command_tree
from skyrack.orchestrator.runtime.files import write_whole

MARKER = "## Verbs and options\n"


def reference() -> str:
    """The generated part, in Markdown."""
    return "\n".join(
        line for name, command in _verbs(command_tree(), "skyrack") for line in _verb(name, command)
    )


def refreshed(page: str) -> str:
    """The page with its generated part made anew. Raises ValueError when it has no marker."""
    head, marker, _ = page.partition(MARKER)
    if not marker:
        raise ValueError(f"the page has no line {MARKER.strip()!r}")
    return head + marker + "\n" + reference()


def _verbs(group: Any, prefix: str) -> list[tuple[str, Any]]:
    found = []
    for name, command in group.commands.items():
        inner = hasattr(command, "commands")
        if not inner or command.invoke_without_command:
            found.append((f"{prefix} {name}", command))
        found += _verbs(command, f"{prefix} {name}") if inner else []
    return found


def _verb(name: str, command: Any) -> list[str]:
    arguments = [parameter for parameter in command.params if parameter.param_type_name == "argument"]
    options = [parameter for parameter in command.params if parameter.param_type_name == "option"]
    words = [_argument(parameter) for parameter in arguments]
    lines = [f"### `{' '.join([name, *words])}`", "", " ".join((command.help or "").split()), ""]
    lines += [f"- `{_argument(parameter)}`: {parameter.help}" for parameter in arguments]
    lines += [""] if arguments else []
    rows = [_option(parameter) for parameter in options if "--help" not in parameter.opts]
    if rows:
        lines += ["| option | | default | variable |", "|---|---|---|---|", *rows, ""]
    return lines


def _argument(parameter: Any) -> str:
    name = str(parameter.name).upper() + ("..." if parameter.nargs == -1 else "")
    return name if parameter.required else f"[{name}]"


def _option(parameter: Any) -> str:
    flags = ", ".join(f"`{flag}`" for flag in sorted(parameter.opts, key=len))
    default = parameter.default
    if isinstance(default, Enum):
        default = default.value
    shown = "" if default is None or isinstance(default, bool) else f"`{default}`"
    return f"| {flags} | {parameter.help} | {shown} | `{parameter.envvar}` |"


def main() -> None:
    """Refresh the page named on the command line."""
    page = Path(sys.argv[1])
    write_whole(page, refreshed(page.read_text(encoding="utf-8")))


if __name__ == "__main__":
    main()
