"""Workloads and adapters by name: those that come along, or anybody's as FILE.py:CLASS or MODULE:CLASS.

An adapter may be given options, which are the keyword-only parameters of its class: `redis,sentinel=orbit,wait=1`.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

from skyrack.workloads.stores import ADAPTERS, PORTS

if TYPE_CHECKING:
    from skyrack.workloads.base import Workload
    from skyrack.workloads.stores import Store

WORKLOADS: Final[Mapping[str, str]] = {
    "kv": "skyrack.workloads.kv:Kv",
    "append": "skyrack.workloads.append:Append",
    "queue": "skyrack.workloads.queue:Queue",
    "set": "skyrack.workloads.set:Set",
    "bank": "skyrack.workloads.bank:Bank",
}


class UnknownName(LookupError):
    """No such workload or adapter; the message says what there is, or what is wrong with what was named."""


def find_workload(name: str) -> type[Workload]:
    """The class of a workload. Raises UnknownName."""
    from skyrack.workloads.base import Workload

    found = _find(name, WORKLOADS, "workload")
    if not (isinstance(found, type) and issubclass(found, Workload)):
        raise UnknownName(
            f"{name} is no workload: a class that extends skyrack.workloads.Workload is expected"
        )
    return found


def find_adapter(name: str) -> Callable[[Sequence[str], float], Store]:
    """The class of an adapter with its options, to be called with endpoints and timeout_s. Raises UnknownName."""
    plain, *given = name.split(",")
    found: Callable[..., Store] = _find(plain, ADAPTERS, "adapter")
    return partial(found, **_options(plain, found, given)) if given else found


def default_port(adapter: str) -> int | None:
    """The port that services of this adapter listen on by default; None where nothing is known."""
    return PORTS.get(adapter.partition(",")[0])


def absolute(name: str) -> str:
    """The name as it is found from any working directory."""
    plain, comma, options = name.partition(",")
    place, colon, cls = plain.rpartition(":")
    return f"{Path(place).resolve()}:{cls}{comma}{options}" if colon and place.endswith(".py") else name


def _options(name: str, adapter: Callable[..., Store], given: Sequence[str]) -> dict[str, bool | int | str]:
    """KEY=VALUE words as the adapter's own types. Raises UnknownName."""
    known = {
        parameter.name: type(parameter.default)
        for parameter in inspect.signature(adapter).parameters.values()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    }
    found: dict[str, bool | int | str] = {}
    for word in given:
        key, _, value = word.partition("=")
        if key not in known:
            there = f"its options are {', '.join(known)}" if known else "it has none"
            raise UnknownName(f"adapter {name} has no option {key!r}: {there}")
        try:
            found[key] = {"true": True, "false": False}[value] if known[key] is bool else known[key](value)
        except (KeyError, ValueError):
            expected = "true or false" if known[key] is bool else f"of type {known[key].__name__}"
            raise UnknownName(f"adapter {name}: {key} is {value!r}, expected {expected}") from None
    return found


def _find(name: str, known: Mapping[str, str], what: str) -> Any:
    place, colon, attribute = known.get(name, name).rpartition(":")
    if not (colon and place and attribute):
        close = difflib.get_close_matches(name, known, 1)
        hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(known)}, or FILE.py:CLASS"
        raise UnknownName(f"no {what} is called {name!r}: {hint}")
    try:
        module = _from_file(Path(place)) if place.endswith(".py") else importlib.import_module(place)
    except FileNotFoundError as error:
        raise UnknownName(f"{what} {name}: there is no file {place}") from error
    except ModuleNotFoundError as error:
        raise UnknownName(f"{what} {name}: {error}") from error
    except SyntaxError as error:
        raise UnknownName(f"{what} {name}: {error.filename}:{error.lineno}: {error.msg}") from error
    except Exception as error:  # whatever somebody's module does when it is imported
        raise UnknownName(f"{what} {name}: {_where(error)}: {type(error).__name__}: {error}") from error
    try:
        return getattr(module, attribute)
    except AttributeError as error:
        near = difflib.get_close_matches(attribute, vars(module), 1)
        hint = f": did you mean {near[0]}?" if near else ""
        raise UnknownName(f"{what} {name}: {place} has no {attribute}{hint}") from error


def _where(error: BaseException) -> str:
    """FILE:LINE that raised it."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{last.filename}:{last.lineno}"


def _from_file(path: Path) -> ModuleType:
    """The module in a file; what lies beside it can be imported by it."""
    path = path.resolve()
    if not path.is_file():
        raise FileNotFoundError(path)
    name = f"skyrack_user_{path.stem}"
    if (known := sys.modules.get(name)) is not None and known.__file__ == str(path):
        return known
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]  # half of it would be taken for all of it
        raise
    return module
