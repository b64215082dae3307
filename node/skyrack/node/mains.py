"""What kinds of nodes and of load workers run, by module: this package does not know them, whoever starts it does."""

import importlib
from collections.abc import Mapping
from typing import Any, Protocol

from skyrack.node.config import NodeConfig

DEFAULT_MAIN = "skyrack.node.main"


class Run(Protocol):
    """Is the node until it ends; see `skyrack.node.main.run`."""

    def __call__(self, config: NodeConfig, tun_fd: int | None = None) -> int: ...


class Work(Protocol):
    """Is a worker until it is done, in a process of its own inside the node.

    `arguments` come from whoever asked for it, and so do the descriptors, which are the worker's to close.
    """

    def __call__(self, arguments: Mapping[str, Any], descriptors: list[int]) -> None: ...


def load_mains(arguments: list[str]) -> dict[str, Run]:
    """The `run` of each kind's module, from `KIND=MODULE` arguments. Raises ValueError, ImportError."""
    modules = dict.fromkeys(("satellite", "ground", "pop", "user"), DEFAULT_MAIN)
    for argument in arguments:
        kind, equals, module = argument.partition("=")
        if not equals or kind not in modules:
            raise ValueError(f"--main {argument}: expected KIND=MODULE, KIND one of {', '.join(modules)}")
        modules[kind] = module
    return {kind: importlib.import_module(module).run for kind, module in modules.items()}


def load_workers(arguments: list[str]) -> dict[str, Work]:
    """The `work` of each kind's module, from `KIND=MODULE` arguments. Raises ValueError, ImportError."""
    modules = {}
    for argument in arguments:
        kind, equals, module = argument.partition("=")
        if not (kind and equals and module):
            raise ValueError(f"--worker {argument}: expected KIND=MODULE")
        modules[kind] = module
    return {kind: importlib.import_module(module).work for kind, module in modules.items()}
