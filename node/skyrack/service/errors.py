"""What a service may have to catch."""


class NotKnownYetError(Exception):
    """The node has not been told, or not for that time."""


class UnknownNodeError(LookupError):
    """No node is called so."""
