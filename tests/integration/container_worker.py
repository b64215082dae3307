"""A worker for tests, started beside a node: `--worker wait=tests.integration.container_worker`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any


def work(arguments: Mapping[str, Any], descriptors: list[int]) -> None:
    """Say that it runs, then wait for the end of its input; `raise` and `exit` end it earlier."""
    says, waits = descriptors
    if "raise" in arguments:
        raise RuntimeError(arguments["raise"])
    os.write(says, f"{arguments['text']} {os.getpid()}".encode())
    while os.read(waits, 100):
        pass
