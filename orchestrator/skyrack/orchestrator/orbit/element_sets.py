"""Catalogue records (TLE lines, OMM fields) to SGP4 elements.

The scenario's catalogue has read the file and checked form and check digits; here every field must make sense, because
SGP4's own reader takes blanks and letters for numbers. A wrong element is a wrong orbit, so nothing is guessed.
"""

from __future__ import annotations

import re

from sgp4 import omm
from sgp4.api import WGS72, Satrec

from skyrack.orchestrator.orbit.errors import ElementFileError
from skyrack.orchestrator.scenario.catalogue import CatalogueError, Record, read_catalogue

# (first column, last column, name, pattern, what it should look like), columns counted from 1 as the format does.
_LINE_1 = (
    (3, 7, "satellite number", r"[ \dA-HJ-NP-Z][ \d]{3}\d", "five digits, or a letter and four"),
    (19, 20, "epoch year", r"\d\d", "two digits"),
    (21, 32, "epoch day", r"[ \d]{3}\.\d{8}", "day of the year such as 257.50747357"),
    (34, 43, "mean motion derivative", r"[ +-][ \d]?\.[\d ]{8}", "a fraction such as .00000297"),
    (45, 52, "second derivative", r"[ +-][ \d]{5}[+-]\d", "digits and exponent such as 00000-0"),
    (54, 61, "drag term", r"[ +-][ \d]{5}[+-]\d", "digits and exponent such as 98432-4"),
)
_LINE_2 = (
    (9, 16, "inclination", r"[ \d]{3}\.[\d ]{4}", "degrees such as 86.3944"),
    (18, 25, "right ascension", r"[ \d]{3}\.[\d ]{4}", "degrees such as 238.2679"),
    (27, 33, "eccentricity", r"[ \d]{6}\d", "seven digits such as 0002181"),
    (35, 42, "argument of perigee", r"[ \d]{3}\.[\d ]{4}", "degrees such as 91.8042"),
    (44, 51, "mean anomaly", r"[ \d]{3}\.[\d ]{4}", "degrees such as 268.3404"),
    (53, 63, "mean motion", r"[ \d]{2}\.[\d ]{8}", "revolutions per day such as 14.34536528"),
)

# What some publishers leave out, with what is meant then: labels, or zero.
_OMM_OPTIONAL = {
    "CLASSIFICATION_TYPE": "U",
    "OBJECT_ID": "",
    "EPHEMERIS_TYPE": "0",
    "ELEMENT_SET_NO": "0",
    "REV_AT_EPOCH": "0",
    "MEAN_MOTION_DOT": "0",
    "MEAN_MOTION_DDOT": "0",
    "BSTAR": "0",
}


def read_element_sets(path: str) -> list[tuple[Record, Satrec]]:
    """Every satellite of a TLE or OMM file, in file order. Raises ElementFileError."""
    try:
        records = read_catalogue(path)
    except CatalogueError as error:
        raise ElementFileError(error.path, error.line or None, error.message) from error
    return [(record, satrec_of(record, path)) for record in records]


def satrec_of(record: Record, path: str) -> Satrec:
    """The record ready for SGP4 (WGS72); `path` is what errors call the file. Raises ElementFileError."""
    satrec = _from_tle(record.tle, record.line, path) if record.tle else _from_omm(record, path)
    line = record.line or None
    if not satrec.no_kozai > 0.0:
        raise ElementFileError(path, line, f"mean motion of {record.number} is not positive", "above 0")
    if not 0.0 <= satrec.ecco < 1.0:
        raise ElementFileError(path, line, f"eccentricity of {record.number} is {satrec.ecco:g}", "0 to 1")
    if not 0.0 <= satrec.inclo <= 3.1416:
        raise ElementFileError(
            path, line, f"inclination of {record.number} is out of range", "0 to 180 degrees"
        )
    return satrec


def _from_tle(lines: tuple[str, str], line: int, path: str) -> Satrec:
    for number, text, fields in ((line, lines[0], _LINE_1), (line + 1, lines[1], _LINE_2)):
        for start, end, name, pattern, example in fields:
            found = text[start - 1 : end]
            if not re.fullmatch(pattern, found, re.ASCII):
                raise ElementFileError(path, number, f"{name} '{found}' in columns {start} to {end}", example)
    satrec = Satrec.twoline2rv(*lines, WGS72)
    if not 1.0 <= satrec.epochdays < 367.0:
        raise ElementFileError(path, line, f"epoch day {satrec.epochdays:.8f}", "1 to 366")
    return satrec


def _from_omm(record: Record, path: str) -> Satrec:
    fields = _OMM_OPTIONAL | record.omm
    epoch = fields["EPOCH"].removesuffix("Z")
    fields["EPOCH"] = epoch if "." in epoch else f"{epoch}.0"
    satrec = Satrec()
    try:
        omm.initialize(satrec, fields)
    except ValueError as error:
        expected = "numbers, and an epoch such as 2026-01-01T00:00:00.0"
        raise ElementFileError(
            path, record.line or None, f"satellite {record.number}: {error}", expected
        ) from error
    return satrec
