"""What is wrong with a request for faults; the text is for the user."""

from __future__ import annotations


class FaultProblem(ValueError):
    """The request cannot be carried out as it is."""


class Unknown(KeyError):
    """A name that nothing has: of a node, a plane, a fault."""

    def __str__(self) -> str:
        return str(self.args[0])
