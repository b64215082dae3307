"""`python -m skyrack.orchestrator.testing.called`: one call of a function that another process names; both sides of it.

    tests                                                                     a node
      |  stdin: pickle of (sys.path, Reference), then pickle of (args, kwargs)   |
      | ----------------------------------------------------------------------> |  imports the module, calls
      | <--------------------------------------- stdout: pickle of (ok, what)   |
      | <--------------------------------------- stderr: what it printed        |

The function is imported anew and not forked off: the process that tests has threads, and maybe gRPC, which do not
survive a fork.
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import inspect
import os
import pickle
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from skyrack.orchestrator.testing.errors import CallFailedError


@dataclass(frozen=True)
class Reference:
    """Where a function is found: its module's name and file, and its name in there."""

    module: str
    file: str
    name: str


def request(function: Callable[..., Any], arguments: tuple[Any, ...], options: Mapping[str, Any]) -> bytes:
    """What the other side reads. Raises CallFailedError: not a function that can be found by name."""
    name = getattr(function, "__qualname__", "")
    if not name or "<" in name or not inspect.isfunction(function):
        raise CallFailedError(
            f"{name or function!r} cannot be called in a node: it takes a function at the top level of a module, "
            "because a new process imports it"
        )
    file = inspect.unwrap(function).__code__.co_filename
    reference = Reference(function.__module__, os.path.abspath(file), name)
    try:
        return pickle.dumps(([path or os.getcwd() for path in sys.path], reference)) + pickle.dumps(
            (arguments, dict(options))
        )
    except (pickle.PicklingError, TypeError, AttributeError) as error:
        raise CallFailedError(f"{name}: its arguments cannot be sent to a node: {error}") from error


def result(data: bytes, node: str, name: str) -> Any:
    """What the function returned; raises what it raised. Raises CallFailedError: there is no answer."""
    try:
        ok, what, trace = pickle.loads(data)
    except Exception as error:
        raise CallFailedError(f"{name} in {node} gave nothing that can be read: {error!r}") from error
    if ok:
        return what
    what.add_note(f"in {node}:\n{trace.rstrip()}")
    raise what


def find(reference: Reference) -> Callable[..., Any]:
    """The function, of a module that is imported under the name that it has on the other side."""
    path = Path(reference.file)
    parts = reference.module.split(".")
    if list(path.with_suffix("").parts[-len(parts) :]) == parts:
        sys.path.append(str(path.parents[len(parts) - 1]))
    try:
        module = importlib.import_module(reference.module)
    except ModuleNotFoundError as error:
        if error.name is None or not reference.module.startswith(error.name):
            raise
        module = None
    if module is None or module.__file__ is None or not os.path.samefile(module.__file__, path):
        spec = importlib.util.spec_from_file_location(reference.module, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[reference.module] = module
        spec.loader.exec_module(module)
    found: Any = module
    for name in reference.name.split("."):
        found = getattr(found, name)
    function: Callable[..., Any] = found
    return function


def _answer(stream: BinaryIO) -> bytes:
    try:
        path, reference = pickle.load(stream)
        sys.path[:] = path
        function = find(reference)
        arguments, options = pickle.load(stream)
        value = function(*arguments, **options)
        if inspect.iscoroutine(value):
            value = asyncio.run(value)
        return pickle.dumps((True, value, ""))
    except BaseException as error:
        trace = traceback.format_exc()
        try:
            data = pickle.dumps((False, error, trace))
            pickle.loads(data)
        except Exception:
            return pickle.dumps((False, CallFailedError(f"{type(error).__name__}: {error}"), trace))
        return data


def _main() -> None:
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what the function prints is no answer
    with answers:
        answers.write(_answer(sys.stdin.buffer))


if __name__ == "__main__":
    _main()
