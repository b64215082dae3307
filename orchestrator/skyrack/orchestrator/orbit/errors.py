"""What can be wrong with orbits and the networks made of them.

GeometryError (ValueError)        the scenario describes something that cannot be computed
    ElementFileError              a TLE or OMM file cannot be read: says file:line and what was expected
    ElementsError                 a shell or a file holds no satellite that can be propagated
    InhabitedError                `inhabited` selects nothing or an unknown satellite

All are a user's mistake, with a message fit to print as it is.
"""

from __future__ import annotations


class GeometryError(ValueError):
    """The scenario describes something that cannot be computed."""


class ElementFileError(GeometryError):
    """A TLE or OMM file cannot be read.

    `path` and `line` (1-based, None when the format has no lines) locate the mistake; `expected` says what would have
    been right,
    where the problem does not say so already.
    """

    def __init__(self, path: str, line: int | None, problem: str, expected: str | None = None) -> None:
        self.path = path
        self.line = line
        self.problem = problem
        self.expected = expected
        where = path if line is None else f"{path}:{line}"
        super().__init__(f"{where}: {problem}" + (f"; expected {expected}" if expected else ""))


class ElementsError(GeometryError):
    """No satellite of a shell or file can be propagated."""


class InhabitedError(GeometryError):
    """`inhabited` selects no satellite, or one that does not exist."""
