"""What clients asked of a service and what came of it: the format of histories, and how to read and write them."""

from skyrack.history.operation import Operation, Outcome

__all__ = ["Operation", "Outcome"]
