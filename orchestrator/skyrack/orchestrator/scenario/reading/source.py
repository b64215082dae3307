"""Bytes to text, with an error instead of a surprise."""

import re
from importlib import resources
from pathlib import Path

from ..problem import Problem, ScenarioError
from .tree import Place, Source

LARGEST_BYTES = 8_000_000
# YAML 1.2.2 section 5.1: every other control character is forbidden.
UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def read_file(path: Path, label: str) -> Source:
    """Return the text of a scenario file; raises ScenarioError when it cannot be read as UTF-8 text."""
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST_BYTES + 1)
    except FileNotFoundError:
        raise _whole(label, "no such file") from None
    except IsADirectoryError:
        raise _whole(label, "this is a directory", "name the YAML file in it") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise _whole(label, f"cannot be read: {reason.lower()}") from None
    if len(data) > LARGEST_BYTES:
        raise _whole(label, f"larger than {LARGEST_BYTES:,} bytes")
    return decode(data, label, path.parent)


def read_preset(name: str) -> Source:
    """Return the text of a preset that ships with the package."""
    data = resources.files("skyrack.orchestrator.scenario").joinpath("presets", f"{name}.yaml").read_bytes()
    return decode(data, f"preset:{name}", Path())


def decode(data: bytes, label: str, directory: Path) -> Source:
    """Return UTF-8 bytes (with or without a byte order mark) as lines; raises ScenarioError."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8-sig", "replace")
        line = before.count("\n")
        column = len(before) - (before.rfind("\n") + 1)
        message = f"not UTF-8: byte 0x{data[error.start]:02x}"
        problem = Problem(label, line + 1, column + 1, message, "save the file as UTF-8")
        raise ScenarioError((problem,)) from None
    # Exactly the line breaks of the parser, so that its line numbers are ours.
    lines = tuple(re.split("\r\n|[\n\r\x85\u2028\u2029]", text))
    source = Source(label, directory, lines)
    for number, line_text in enumerate(lines):
        if bad := UNPRINTABLE.search(line_text):
            message = f"control character U+{ord(bad.group()):04X}"
            raise ScenarioError((Place(source, number, bad.start()).problem(message, "delete it"),))
    return source


def _whole(label: str, message: str, hint: str | None = None) -> ScenarioError:
    return ScenarioError((Problem(label, 0, 0, message, hint),))
