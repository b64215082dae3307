"""What can go wrong with a constellation in a test; the tree is in the package's docstring."""

from __future__ import annotations


class SkyrackError(Exception):
    """A constellation, or something asked of it, failed."""


class UpFailedError(SkyrackError):
    """The constellation did not come up; the text is what `skyrack up` said."""


class CommandFailedError(SkyrackError):
    """A program in a node ended with another exit status than 0."""

    def __init__(self, node: str, command: list[str], status: int, out: str, err: str) -> None:
        said = "".join(
            f"\n--- {name} ---\n{text.rstrip()}" for name, text in (("stdout", out), ("stderr", err)) if text
        )
        super().__init__(f"{node}: {' '.join(command)} ended with exit status {status}{said}")
        self.status = status
        self.out = out
        self.err = err


class CallFailedError(SkyrackError):
    """A function could not be carried out in a node, or gave what cannot be brought back."""


class NotInTimeError(SkyrackError, TimeoutError):
    """What was waited for did not happen in time."""
