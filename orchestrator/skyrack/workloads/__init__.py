"""Workloads: options, generator, client and checks of each in one file; what they ask is a store (stores/)."""

from skyrack.workloads.base import Option, OptionError, Request, Result, Task, Workload, option, until_ok
from skyrack.workloads.registry import UnknownName, find_adapter, find_workload
from skyrack.workloads.stores import Failed, Refused, Store

__all__ = [
    "Failed",
    "Option",
    "OptionError",
    "Refused",
    "Request",
    "Result",
    "Store",
    "Task",
    "UnknownName",
    "Workload",
    "find_adapter",
    "find_workload",
    "option",
    "until_ok",
]
