"""Orbit files: which satellites a TLE or OMM file holds, and where it is damaged.

Only the text is read here; elements become orbits elsewhere.
"""

import csv
import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from xml.etree import ElementTree

LARGEST_BYTES = 100_000_000
OMM_FIELDS = (
    "NORAD_CAT_ID",
    "EPOCH",
    "MEAN_MOTION",
    "ECCENTRICITY",
    "INCLINATION",
    "RA_OF_ASC_NODE",
    "ARG_OF_PERICENTER",
    "MEAN_ANOMALY",
)


class CatalogueError(Exception):
    """An orbit file cannot be used; `line` counts from 1, 0 means the file as a whole."""

    def __init__(self, path: str, line: int, message: str, text: str = "") -> None:
        super().__init__(path, line, message, text)
        self.path, self.line, self.message, self.text = path, line, message, text

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.message}" if self.line else f"{self.path}: {self.message}"


@dataclass(frozen=True, slots=True)
class Record:
    """One satellite of an orbit file: its title, catalogue number and elements (TLE lines or OMM fields)."""

    title: str
    number: str
    line: int
    tle: tuple[str, str] | None = None
    omm: dict[str, str] = field(default_factory=dict)


def read_catalogue(path: str) -> tuple[Record, ...]:
    """Return the satellites of a TLE or OMM file in file order; raises CatalogueError.

    The format is told from the content: TLE (with or without title lines), OMM as JSON, CSV or XML.
    """
    try:
        status = os.stat(path)
    except FileNotFoundError:
        raise CatalogueError(path, 0, "no such file") from None
    except (OSError, ValueError) as error:
        raise CatalogueError(path, 0, f"cannot be read: {error}") from None
    return _read(path, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=16)
def _read(path: str, mtime_ns: int, size: int) -> tuple[Record, ...]:
    if size > LARGEST_BYTES:
        raise CatalogueError(path, 0, f"larger than {LARGEST_BYTES:,} bytes")
    try:
        text = Path(path).read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise CatalogueError(path, 0, "not a text file") from None
    except OSError as error:
        raise CatalogueError(path, 0, f"cannot be read: {(error.strerror or str(error)).lower()}") from None
    head = text.lstrip()[:1]
    reader = {"[": _omm_json, "{": _omm_json, "<": _omm_xml}.get(head, _tle)
    if reader is _tle and "NORAD_CAT_ID" in text.split("\n", 1)[0]:
        reader = _omm_csv
    records = tuple(reader(path, text))
    if not records:
        raise CatalogueError(path, 0, "holds no satellite")
    seen: dict[str, int] = {}
    for record in records:
        if record.number in seen:
            message = f"satellite {record.number} appears twice, first in line {seen[record.number]}"
            raise CatalogueError(path, record.line, message)
        seen[record.number] = record.line
    return records


def _tle(path: str, text: str) -> Iterator[Record]:
    title, first = "", None
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.rstrip()
        if not line or line.startswith("#"):
            continue
        if first is None and re.match(r"1 [ 0-9A-Z]{5}", line) and len(line) >= 64:
            first = _checked(path, number, line)
        elif first is None:
            title = line.removeprefix("0 ").strip()
            if len(title) > 60:
                raise CatalogueError(path, number, "neither a title nor a line of elements", line)
        elif line.startswith("2 ") and line[2:7] == first[2:7]:
            catalogue_number = first[2:7].strip().lstrip("0") or "0"
            yield Record(title, catalogue_number, number - 1, tle=(first, _checked(path, number, line)))
            title, first = "", None
        else:
            raise CatalogueError(path, number, f"expected line 2 of satellite {first[2:7].strip()}", line)
    if first is not None or title:
        raise CatalogueError(path, 0, "ends in the middle of a satellite")


def _checked(path: str, number: int, line: str) -> str:
    """Return a TLE line whose check digit is right."""
    if len(line) < 69:
        raise CatalogueError(
            path, number, f"a line of elements has 69 characters, this has {len(line)}", line
        )
    digits = sum(int(char) if char.isdecimal() else char == "-" for char in line[:68])
    if line[68] != str(digits % 10):
        message = f"check digit is {line[68]}, expected {digits % 10}: the line is damaged"
        raise CatalogueError(path, number, message, line)
    return line[:69]


def _omm_json(path: str, text: str) -> Iterator[Record]:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CatalogueError(
            path, getattr(error, "lineno", 0), f"not JSON: {getattr(error, 'msg', error)}"
        ) from None
    for item in data if isinstance(data, list) else [data]:
        if not isinstance(item, dict):
            raise CatalogueError(path, 0, "expected a list of messages")
        yield _omm(path, 0, {key: str(value) for key, value in item.items() if value is not None})


def _omm_csv(path: str, text: str) -> Iterator[Record]:
    reader = csv.DictReader(text.splitlines())
    try:
        for row in reader:
            yield _omm(path, reader.line_num, {key: value for key, value in row.items() if key and value})
    except csv.Error as error:
        raise CatalogueError(path, reader.line_num, f"not CSV: {error}") from None


def _omm_xml(path: str, text: str) -> Iterator[Record]:
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise CatalogueError(path, error.position[0], "not XML") from None
    for message in root.iter("omm"):
        leaves = {
            element.tag: (element.text or "").strip() for element in message.iter() if len(element) == 0
        }
        yield _omm(path, 0, {key: value for key, value in leaves.items() if value})


def _omm(path: str, line: int, fields: dict[str, str]) -> Record:
    missing = [name for name in OMM_FIELDS if name not in fields]
    if missing:
        raise CatalogueError(path, line, f"a message without {', '.join(missing)}")
    return Record(fields.get("OBJECT_NAME", ""), fields["NORAD_CAT_ID"].lstrip("0") or "0", line, omm=fields)
