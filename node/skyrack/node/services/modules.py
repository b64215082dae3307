"""The class of a Python service: imported anew for every start, so that a restart runs what is on disk then."""

from __future__ import annotations

import importlib
import inspect
import os
import sys
import traceback
from collections.abc import Sequence
from itertools import islice
from types import ModuleType
from typing import Any

import grpc

import skyrack
from skyrack.node.services.runner import CannotStartError

_directories: set[str] = set()  # those of all services of this process
_modules_before = 0  # there were so many when the first service was loaded
# A service's directory may have the interpreter's or ours below it: a checkout with its virtual environment.
_NOT_THEIRS = tuple(
    f"{path}{os.sep}"
    for path in (
        *skyrack.__path__,
        os.path.dirname(os.__file__),
        os.path.dirname(os.path.dirname(grpc.__file__)),
    )
)


def load(python: str, path: Sequence[str]) -> type[Any]:
    """The class in `module:Class`; its module is looked for in `path` first. Raises CannotStartError."""
    module_name, _, class_name = python.partition(":")
    directories = [os.path.abspath(directory) for directory in path]
    _directories.update(directories)
    _forget()
    sys.path[:] = [*directories, *(entry for entry in sys.path if entry not in directories)]
    importlib.invalidate_caches()
    writes, sys.dont_write_bytecode = sys.dont_write_bytecode, True  # the directory is the user's
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or f"{module_name}.".startswith(f"{error.name}."):
            raise CannotStartError(_not_found(module_name, directories)) from error
        raise CannotStartError(said(error, directories)) from error
    except (Exception, SystemExit) as error:
        raise CannotStartError(said(error, directories)) from error
    finally:
        sys.dont_write_bytecode = writes
    return _checked(module, class_name)


def _forget() -> None:
    """Have all modules of services imported anew.

    Looks at none that was there before: to look is to write, a reference count, and so to have a page of what all nodes
    share copied. For all modules that is 3 MB.
    """
    global _modules_before
    _modules_before = _modules_before or len(sys.modules)
    for name in list(islice(reversed(sys.modules), max(0, len(sys.modules) - _modules_before))):
        if is_below(getattr(sys.modules[name], "__file__", None), _directories):
            del sys.modules[name]


def is_below(file: str | None, directories: set[str] | Sequence[str]) -> bool:
    """Whether a file is of one of the directories, and neither the interpreter's nor ours."""
    return (
        file is not None
        and any(file.startswith(f"{directory}{os.sep}") for directory in directories)
        and not file.startswith(_NOT_THEIRS)
    )


def said(error: BaseException, directories: Sequence[str]) -> str:
    """The last line of a traceback, and where in the user's own files it came from."""
    line = traceback.format_exception_only(error)[-1].strip()
    if isinstance(error, SyntaxError):
        return f"{_short(error.filename or '')}:{error.lineno}: {line}"
    frames = [
        frame for frame in traceback.extract_tb(error.__traceback__) if is_below(frame.filename, directories)
    ]
    if not frames:
        return line
    return f"{_short(frames[-1].filename)}:{frames[-1].lineno}: {line}"


def _checked(module: ModuleType, name: str) -> type[Any]:
    where = _short(module.__file__ or module.__name__)
    found = getattr(module, name, None)
    if found is None:
        names = [key for key, value in vars(module).items() if inspect.isclass(value)]
        raise CannotStartError(f"{where} has no class {name}{_did_you_mean(name, names)}")
    if not inspect.isclass(found):
        raise CannotStartError(f"{where}: {name} is no class")
    run = getattr(found, "run", None)
    if not inspect.iscoroutinefunction(run):
        raise CannotStartError(f"{where}: {name} needs a method `async def run(self, node)`")
    made = found.__init__  # the signature of a class without one takes 2 MB to find out
    for method, arguments, form in ((made, (None,), f"{name}()"), (run, (None, None), "run(self, node)")):
        try:
            if inspect.isfunction(method):
                inspect.signature(method).bind(*arguments)
        except (TypeError, ValueError) as error:
            raise CannotStartError(f"{where}: {name} is used as {form}: {error}") from error
    return found


def _not_found(module: str, directories: Sequence[str]) -> str:
    where = ", ".join(directories) or "the directories that Python knows"
    there = [
        os.path.splitext(name)[0]
        for directory in directories
        if os.path.isdir(directory)
        for name in os.listdir(directory)
        if name.endswith(".py") or os.path.isdir(os.path.join(directory, name))
    ]
    return f"no module {module} in {where}{_did_you_mean(module.partition('.')[0], there)}"


def _did_you_mean(word: str, words: Sequence[str]) -> str:
    from difflib import get_close_matches

    close = get_close_matches(word, words, 1)
    return f": did you mean {close[0]}?" if close else ""


def _short(file: str) -> str:
    return os.path.basename(file)
