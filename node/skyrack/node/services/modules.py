"""The class of a Python service: imported anew for every start, so that a restart runs what is on disk then."""

from __future__ import annotations

import difflib
import importlib
import inspect
import os
import sys
import sysconfig
import traceback
from collections.abc import Sequence
from types import ModuleType
from typing import Any

import skyrack
from skyrack.node.services.runner import CannotStartError

_directories: set[str] = set()  # those of all services of this process
# A service's directory may have the interpreter's or ours below it: a checkout with its virtual environment.
_NOT_THEIRS = tuple(
    f"{path}{os.sep}"
    for path in {*skyrack.__path__, *(sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib"))}
)


def load(python: str, path: Sequence[str]) -> type[Any]:
    """The class in `module:Class`; its module is looked for in `path` first. Raises CannotStartError."""
    module_name, _, class_name = python.partition(":")
    directories = [os.path.abspath(directory) for directory in path]
    _directories.update(directories)
    for name, module in list(sys.modules.items()):
        if is_below(getattr(module, "__file__", None), _directories):
            del sys.modules[name]
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
        close = difflib.get_close_matches(name, names, 1)
        hint = f": did you mean {close[0]}?" if close else ""
        raise CannotStartError(f"{where} has no class {name}{hint}")
    if not inspect.isclass(found):
        raise CannotStartError(f"{where}: {name} is no class")
    run = getattr(found, "run", None)
    if not inspect.iscoroutinefunction(run):
        raise CannotStartError(f"{where}: {name} needs a method `async def run(self, node)`")
    for call, arguments, form in ((found, (), f"{name}()"), (run, (None, None), "run(self, node)")):
        try:
            inspect.signature(call).bind(*arguments)
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
    close = difflib.get_close_matches(module.partition(".")[0], there, 1)
    return f"no module {module} in {where}" + (f": did you mean {close[0]}?" if close else "")


def _short(file: str) -> str:
    return os.path.basename(file)
