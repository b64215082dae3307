"""The one exception that a store has a say in."""


class Failed(Exception):
    """The operation definitely did not happen, now or later; the message says why. In a history: `fail`."""
