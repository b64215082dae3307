"""What a service may have to catch."""


class NotAvailableError(Exception):
    """The node has not been told yet, or not for that time."""


class UnknownNodeError(LookupError):
    """No node is called so."""
