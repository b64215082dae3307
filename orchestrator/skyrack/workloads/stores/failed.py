"""What a store says when it knows that nothing happened."""


class Failed(Exception):
    """The operation definitely did not happen, now or later; the message says why. In a history: `fail`."""


class Refused(Failed):
    """The service did its work and said no: a compare that did not match, an account without enough. A `fail` without error."""
