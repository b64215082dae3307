"""What a kind of node runs, by name: this package does not know ground stations, whoever starts it does."""

import importlib
from typing import Protocol

from skyrack.node.config import NodeConfig

DEFAULT_MAIN = "skyrack.node.main"


class Run(Protocol):
    """Is the node until it ends; see `skyrack.node.main.run`."""

    def __call__(self, config: NodeConfig, tun_fd: int | None = None) -> int: ...


def load_mains(arguments: list[str]) -> dict[str, Run]:
    """The `run` of each kind's module, from `KIND=MODULE` arguments. Raises ValueError, ImportError."""
    modules = {"satellite": DEFAULT_MAIN, "ground": DEFAULT_MAIN}
    for argument in arguments:
        kind, equals, module = argument.partition("=")
        if not equals or kind not in modules:
            raise ValueError(f"--main {argument}: expected satellite=MODULE or ground=MODULE")
        modules[kind] = module
    return {kind: importlib.import_module(module).run for kind, module in modules.items()}
