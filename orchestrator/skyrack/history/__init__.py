"""What clients asked of a service and what came of it: the format of histories, and how to read and write them."""

from skyrack.history.header import Header, HistoryError
from skyrack.history.operation import Operation, Outcome
from skyrack.history.reader import NO_END, History, HistoryReader, read_history
from skyrack.history.writer import HistoryWriter

__all__ = [
    "NO_END",
    "Header",
    "History",
    "HistoryError",
    "HistoryReader",
    "HistoryWriter",
    "Operation",
    "Outcome",
    "read_history",
]
